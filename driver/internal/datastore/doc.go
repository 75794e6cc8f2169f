// Package datastore is the one owner of badger, the registry's datastore for metadata.
// Path map, blob index and peer all write through it.
//
//	d, err := datastore.Open("/var/lib/registry/ipfs/badger", log)
//	…
//	err = d.Close()
//
// # After a failed write
//
// badger 1.6 does not survive a failed write: a torn record stays in its value log, what
// is written later lies behind it, and the next replay cuts all of that. So the first
// failed write, of whomever, also of badger's own goroutines, ends writing: nothing more
// is acknowledged, badger is closed, which cuts the torn record, and opened again, and
// writes go on when one was committed for a trial. Reads go on but for the moment in
// which badger is closed; then they wait, and fail with *Unavailable when it takes long.
// A transaction begun before fails. What was told to have failed may be there afterwards.
//
// # Room
//
// badger needs room to flush, to close and to open. A reserve file of ReserveSize lies in
// its directory, really allocated. It is removed when badger needs the room for these, and
// made again when there is enough. Before that, a write for which there is no room is
// refused before badger sees it. Others on the same disk, uploads and transfers, may write what
// (*Datastore).Headroom says, and nothing when that is not above zero; MinFree bytes stay
// free beside the reserve. (*Datastore).Writable says whether metadata can be written now,
// and why not.
package datastore
