// Package transfer brings blobs here from the members that hold them, and serves
// the blobs that are here to the others.
//
//	t, err := transfer.New(transfer.Config{Blobs: blobs, Swarm: peer, Stall: 30 * time.Second, Log: log})
//	body, err := t.Open(ctx, ref, 0) // streams while it arrives
//
// Bytes travel by HTTP/1.1 between members, as ranges of the blob itself: over TLS to
// a member's data port, and over streams where that cannot be reached. Whoever
// receives knows every leaf's CID and place, and verifies each leaf before anybody
// reads it. There is one transfer a blob, however many readers wait for it; it belongs
// to none of them and outlives the last by a minute.
//
// A transfer is a job made of
//
//   - a plan: what has arrived, what is on its way, what readers wait for;
//   - a roster: who holds the blob, or fetches it as well, and who failed or lied;
//   - a scout, which asks the members while holders are lacking, and tells them that
//     the blob is being fetched here;
//   - a few workers, each with one connection, which go from holder to holder and
//     choose the leaves and who sends them together.
//
// Registries that fetch the same blob feed each other. Each leaf has an order of
// them that all agree on: the first fetches it from who has it all, the others from
// the first and from each other. Who is not served in time asks further up. Who has
// it all sends a leaf to two of them, and names those to the others (relays).
//
// Limits: only connected members are asked, and through Config.Bitswap whoever
// else it reaches; there is no limit on the number of transfers; a transfer takes
// one leaf of memory a worker.
package transfer
