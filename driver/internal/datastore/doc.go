// Package datastore is the one owner of pebble, the registry's datastore for metadata. The
// path map, the blob index and the peer all write through it.
//
//	d, err := datastore.Open("/var/lib/registry/ipfs/pebble", log)
//	…
//	err = d.Close()
//
// # A write that fails
//
// pebble ends the process when its log or its manifest cannot be written. So it is given
// files of ours: a write that fails because the disk is full, or for another reason that may
// pass, is held, and its rest tried again, until it succeeds. Meanwhile new writes are refused
// with *Unavailable, reads go on, and nothing is acknowledged that is not synced. Writing
// resumes once nothing is held, there is room, and a trial write is committed. A write that
// was reported as failed may be on disk afterwards.
//
// When a log, a manifest or a directory cannot be *synced*, nobody knows what of it is on
// disk, and trying again would say that it is (Linux forgets pages that it could not write).
// Then the process ends, with a message, and status 1: the next start reads what is there, all
// of what was acknowledged included, and writes it anew. A table that cannot be synced is made
// again.
//
// # Room
//
// A reserve file of ReserveSize bytes, all of them allocated, lies in the directory. It is
// removed for a held write of a log or manifest, and for opening and closing, and made again
// when there is enough room. A write for which there is no room is refused before pebble sees
// it. Uploads and transfers on the same disk may write as many bytes as
// (*Datastore).Headroom returns, and nothing when that is not above zero; MinFree bytes
// stay free in addition to the reserve. (*Datastore).Writable reports whether metadata can
// be written now, and why not.
//
// Limits: one process opens a directory at a time.
package datastore
