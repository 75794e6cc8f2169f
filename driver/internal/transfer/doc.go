// Package transfer brings blobs here from the members that hold them, and serves
// the blobs that are here to the others.
//
//	t, err := transfer.New(transfer.Config{Blobs: blobs, Swarm: peer, Stall: 30 * time.Second, Log: log})
//	body, err := t.Open(ctx, ref, 0) // streams while it arrives
//
// Bytes travel by HTTP/1.1 over streams between members, as ranges of the blob
// itself; the receiver knows every leaf's CID and verifies each before anybody
// reads it. There is one transfer a blob, however many readers wait for it, and
// it belongs to none of them.
//
// Limits: a transfer asks one holder at a time; only members are asked.
package transfer
