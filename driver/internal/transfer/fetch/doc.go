// Package fetch is the transfer of one blob.
//
//	all := fetch.New(ctx, fetch.Config{Blobs: blobs, Client: client, Holders: holders, …}) // once a registry
//	j := all.New(ref, fetch.Purpose{Leaf: 3})
//	go j.Run(func(e fetch.End) error { return e.Cause })
//	for changed := j.Changed(); !j.Has(3); changed = j.Changed() {
//		<-changed
//	}
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
// Every leaf enters by Job.take, from wherever it came. It goes into the blob's file, or, when
// the blob cannot be kept, to the one reader of a stream.
//
// Limits: a job knows nothing of other transfers but the crew that they share. It takes one
// leaf of memory a worker, and a stream four; a blob of one leaf is in memory until it is kept.
package fetch
