// Package transfer brings blobs here from the members that hold them, and serves
// the blobs that are here to the others.
//
//	t, err := transfer.New(transfer.Config{Blobs: blobs, Swarm: peer, Stall: 30 * time.Second, Log: log})
//	body, err := t.Open(ctx, ref, 0) // streams while it arrives
//
// Bytes travel by HTTP/1.1 over streams between members, as ranges of the blob
// itself. Whoever receives knows every leaf's CID and place, and verifies each leaf
// before anybody reads it. There is one transfer a blob, however many readers wait
// for it; it belongs to none of them and outlives the last by a minute.
//
// A transfer is a job made of
//
//   - a plan: which leaves come next, by what its readers wait for;
//   - a roster: who holds the blob, and who failed or lied;
//   - a scout, which asks the members while holders are lacking;
//   - a few workers, each with one stream, which go from holder to holder.
//
// Limits: only connected members are asked, and through Config.Bitswap whoever
// else it reaches; there is no limit on the number of transfers; a transfer takes
// one leaf of memory a stream.
package transfer
