// Package transfer brings blobs here from the members that hold them, and serves
// the blobs that are here to the others.
//
//	t, err := transfer.New(transfer.Config{Blobs: blobs, Swarm: peer, Stall: 30 * time.Second, Log: log})
//	body, err := t.Open(ctx, ref, 0) // streams while it arrives
//
// Bytes travel by HTTP/1.1 between members, as ranges of the blob itself. The receiving
// registry knows every leaf's CID and place, and verifies each leaf before a client reads it.
// There is one transfer a blob, however many readers wait for it; it belongs to none of them,
// and goes on for a minute after the last has left.
//
// Here are all transfers of a registry, those who read, the answers to members, the mending
// of damaged blobs, and what is told of it all. One transfer is a job of package fetch, which
// uses the others:
//
//   - schedule decides which leaf is fetched of whom;
//   - wire carries questions and bytes between members;
//   - holders knows who holds a blob, and asks;
//   - crew shares the workers of the registry among its transfers;
//   - doubts is what members say of each other's damaged copies;
//   - signal wakes those who wait.
//
// Registries that fetch the same blob feed each other. For each leaf all of them agree on
// an order: the first one fetches the leaf from a member that has the whole blob, the
// others from the first and from each other. A registry that is not served in time asks
// further up. A member that has the whole blob sends a leaf to two of them, and names those
// two to the others (relays).
//
// Limits: only connected members are asked, and through Config.Bitswap other peers that it
// reaches; there is no limit on the number of transfers, of which at most twelve orders are
// carried out at once; 64 readers may be streamed to what cannot be kept.
package transfer
