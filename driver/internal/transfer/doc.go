// Package transfer brings blobs here from the members that hold them, and serves the blobs that
// are here to other members.
//
//	t, err := transfer.New(transfer.Config{Blobs: blobs, Swarm: peer, Stall: 30 * time.Second, Log: log})
//	body, err := t.Open(ctx, ref, 0) // can be read while the blob arrives
//
// Bytes travel between members by HTTP/1.1, as ranges of the blob itself. The receiving registry
// knows the CID and the place of every leaf, and verifies each leaf before a client reads it. A
// blob has one transfer, however many readers wait for it. The transfer belongs to none of them,
// and goes on for a minute after the last reader has left.
//
// This package keeps all transfers of a registry and their readers, answers members, mends damaged
// blobs, and counts and logs how transfers end. One transfer is a job of package fetch. The other
// packages are:
//
//   - schedule, which decides which leaf is fetched from which member;
//   - wire, which carries questions and bytes between members;
//   - holders, which asks the members which of them hold a blob;
//   - crew, which shares the workers of the registry among its transfers;
//   - doubts, by which members tell each other of damaged copies;
//   - signal, which wakes goroutines that wait.
//
// Registries that fetch the same blob feed each other. For each leaf they all agree on an order:
// the first registry fetches the leaf from a member that has the whole blob, the others get it
// from the first and from each other. A registry that is not served in time asks further up. A
// member that has the whole blob sends a leaf to two registries, and names those two to the others
// as relays.
//
// A push that waits for other disks has members take its upload while that grows (Grow, Take), and
// keep the blob that it becomes (Keep).
//
// Limits: only connected members are asked, and other peers only through Config.Bitswap. The number
// of transfers is not limited, but together they carry out about twelve orders at once (see package
// crew). At most 64 readers at once may stream blobs that cannot be kept.
package transfer
