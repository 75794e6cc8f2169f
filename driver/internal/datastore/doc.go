// Package datastore is the one owner of badger, the registry's datastore for metadata. The
// path map, the blob index and the peer all write through it.
//
//	d, err := datastore.Open("/var/lib/registry/ipfs/badger", log)
//	…
//	err = d.Close()
//
// # After a failed write
//
// badger 1.6 does not survive a failed write: a torn record stays in its value log, later
// writes lie behind it, and the next replay cuts off all of them. So the first failed
// write, including one of badger's own goroutines, ends writing: nothing more is
// acknowledged, badger is closed, which cuts off the torn record, and opened again, and
// writing resumes once a trial write is committed. Reads go on, except while badger is
// closed: then they wait, and fail with *Unavailable when that takes long. A transaction
// begun before the failure fails. A write that was reported as failed may be on disk
// afterwards.
//
// # Room
//
// badger needs room to flush, to close and to open. A reserve file of ReserveSize bytes, all
// of them allocated, lies in its directory. It is removed when badger needs that room, and
// made again when there is enough. Until then a write for which there is no room is refused
// before badger sees it. Uploads and transfers on the same disk may write as many bytes as
// (*Datastore).Headroom returns, and nothing when that is not above zero; MinFree bytes
// stay free in addition to the reserve. (*Datastore).Writable reports whether metadata can
// be written now, and why not.
//
// Limits: one process opens a directory at a time.
package datastore
