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
// A transfer is a job made of
//
//   - a plan: what has arrived, what is on its way, what readers wait for;
//   - a roster: who holds the blob, or fetches it as well, and who failed or lied;
//   - discover, which asks the members while holders are lacking, and tells them that
//     the blob is being fetched here;
//   - a few workers, each with one connection, which go from holder to holder and
//     choose the leaves and who sends them together.
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
