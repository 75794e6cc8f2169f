// Package fetch transfers one blob from the members that hold it to this registry.
//
//	all := fetch.New(ctx, fetch.Config{Blobs: blobs, Client: client, …}) // one per registry
//	j := all.New(ref, fetch.Purpose{Leaf: 3})
//	go j.Run(func(e fetch.End) error { return e.Cause })
//	for changed := j.Changed(); !j.Has(3); changed = j.Changed() {
//		select {
//		case <-changed:
//		case <-j.Done():
//			return j.Err()
//		}
//	}
//
// A transfer is a job. Its state has one owner, the coordinator: a goroutine that receives
// everything that happens as an event, and that decides, with package schedule, what to do
// next. Whatever takes time is done by other goroutines, which report to the coordinator:
//
//   - workers, each with an order that says which leaves to receive from which holder;
//   - a search, which asks the members while holders are lacking, and tells them that the
//     blob is being fetched here;
//   - one each to learn the blob's layout, to copy leaves of other blobs, to hash what an
//     earlier run left, to ask other registries that fetch the blob which leaves they have
//     by now, and to get a leaf by bitswap.
//
// Every leaf enters by Job.take, wherever it came from. It goes into the blob's file or, when
// the blob cannot be kept, to the one reader of a stream.
//
// When a holder sends as good as nothing for Timing.Hedge, another one is asked for the same as well:
// for inner blocks, for the first leaf of a blob, and for any leaf of a holder from which nothing has
// come before. Who was beaten like that is known to all transfers (holders.Standing).
//
// Limits: a job knows nothing of other transfers. It shares with them the workers of the crew
// and what is known of holders. Each of its workers takes one leaf of memory, and a stream
// takes four in all. A blob of one leaf is in memory until it is kept.
package fetch
