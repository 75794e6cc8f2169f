// Package blob turns bytes into CIDs and CIDs back into bytes.
//
// A blob's bytes are stored once, in one plain file named by its CID. The DAG over them
// follows IPFS's unixfs-v1-2025 profile: CIDv1, sha2-256, raw leaves of 1 MiB, up to 1024
// links, balanced; or the same with blake3 (Store.SetFunction). A CID says which function
// it was made with, and one store holds blobs of both. Only its inner blocks and the place
// of each leaf are kept in the datastore; the blockstore reads a leaf out of the file.
//
//	s, err := blob.Open("/var/lib/registry/ipfs", badger, log)
//	ref, err := s.Put(ctx, manifest) // hash, index, rename; a layer: OpenUpload, AdoptUpload
//	r, err := s.Reader(ctx, ref, 0)  // verified leaf by leaf, the first time
//
// A blob that comes from other members is a Partial until it is whole: ReadLayout checks
// its DAG, Partial.Put checks each leaf, Partial.Finish makes it a blob.
//
// Limits: a blob has at most MaxSize bytes; content inside an identity CID has no file
// (InlineBytes); one process opens a directory at a time; bytes that rot on disk are
// noticed by the first Reader of a run, by Check, and when a leaf is served from the
// blockstore, but not by Open.
package blob
