// Package blob keeps blobs on this machine's disk.
//
// A blob's bytes are stored once, in one plain file named by its CID. Package dag says which
// DAG they make. A CID says which hash function it was made with (Store.SetFunction), and one
// store holds blobs of several. Only a blob's inner blocks and the place of each leaf are kept
// in the datastore; the blockstore reads a leaf out of the file.
//
//	s, err := blob.Open("/var/lib/registry/ipfs", badger, log)
//	p, err := s.PushContent(ctx, manifest) // hash, rename; a layer: Upload, PushUpload
//	…                                      // write the entry, and p.Beside with it
//	p.Done()
//	r, err := s.Reader(ctx, ref, 0)  // verified leaf by leaf, the first time
//
// A blob that comes from other members is a Partial until it is whole: dag.ReadLayout
// checks its DAG, Partial.Put checks each leaf, Partial.Finish makes it a blob.
//
// However a blob comes, its file is put in its place by one function, install:
//
//	Upload, PushUpload    hash (hash.go) → check (checkdigest.go) → install (install.go)
//	Put; a lost record    hash → install
//	Partial.Put, Finish   each leaf is hashed as it comes → install
//
// But for a small blob that is pushed: its bytes are committed with its entry, which is the one
// sync that the push waits for, and its file is synced later (push.go, journal.go).
//
// Limits: a blob has at most dag.MaxSize bytes; content inside an identity CID has no file
// (dag.InlineBytes); one process opens a directory at a time; bytes that rot on disk are
// noticed by the first Reader of a run, by Check, and when a leaf is served from the
// blockstore, but not by Open.
package blob
