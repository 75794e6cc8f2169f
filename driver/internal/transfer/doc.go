// Package transfer brings blobs here from the members that hold them, and serves
// the blobs that are here to the others.
//
//	t, err := transfer.New(transfer.Config{Blobs: blobs, Swarm: peer, Stall: 30 * time.Second, Log: log})
//	body, err := t.Open(ctx, ref, 0) // streams while it arrives
//
// Bytes travel by HTTP/1.1 between members, as ranges of the blob itself (package wire). The
// receiving registry knows every leaf's CID and place, and verifies each leaf before a client
// reads it. There is one transfer a blob, however many readers wait for it; it belongs to none
// of them, and goes on for a minute after the last has left.
//
// A transfer is a job. Its state has one owner, its coordinator: a goroutine to which
// everything that happens is an event, and which decides, by package schedule, what is to
// be done. Whatever takes time is done by others, which report to it:
//
//   - workers, each with an order: which leaves to receive from which holder;
//   - a search, which asks the members while holders are lacking, and tells them that the
//     blob is being fetched here;
//   - whoever learns the blob's layout, copies leaves of other blobs, hashes what an earlier
//     run left, asks other registries that fetch the blob what they have by now, or gets
//     a leaf by bitswap.
//
// Every leaf enters by job.take, from wherever it came.
//
// Registries that fetch the same blob feed each other. For each leaf all of them agree on
// an order: the first one fetches the leaf from a member that has the whole blob, the
// others from the first and from each other. A registry that is not served in time asks
// further up. A member that has the whole blob sends a leaf to two of them, and names those
// two to the others (relays).
//
// Limits: only connected members are asked, and through Config.Bitswap other peers that it
// reaches; there is no limit on the number of transfers; a transfer takes one leaf of
// memory a worker.
package transfer
