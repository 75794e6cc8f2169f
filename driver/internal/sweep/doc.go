// Package sweep goes over what lies on disk by itself. It removes what is no longer needed:
// entries of the path map to which nothing refers, for all registries, and bytes of this disk
// that no entry names, or that are left of abandoned uploads. It makes room by what others keep
// as well. And it scrubs: it reads all blobs of this disk again and again, so that damage is found
// while others can still mend it.
//
//	uploads := sweep.NewUploads("…/staging/local", "…/staging/writers", blobs, log)
//	uploads.Start()
//	defer uploads.Close()
//
//	garbage := sweep.NewCollector(sweep.Config{Paths: paths, Bytes: sweep.NewBytes(blobs), …})
//	garbage.Start()
//	defer garbage.Close()
//	report, err := garbage.Collect(ctx, sweep.Options{Grace: time.Minute}, progress)
//
//	cache := sweep.NewCache(sweep.CacheConfig{Blobs: blobs, MinFree: minFree, GiveUp: keeper.GiveUp, …})
//	blobs.Room().OnShort(cache.MakeRoom)
//	cache.Start()
//	defer cache.Close()
//
//	scrub := sweep.NewScrub(sweep.ScrubConfig{Blobs: blobs, Interval: 720 * time.Hour, …})
//	scrub.Start()
//	defer scrub.Close()
//
// What is garbage says package mark; when it may go says package lease. The collector only
// does in turn what these ask for: it marks, waits, hears the members, marks again, deletes.
// What leaves the cache says package evict; whether it may, package replica.
//
// Limits: garbage stays while a known member cannot be heard. An upload is removed a day after
// its last byte, an hour after it when room is short, and never while it is being written.
// How many copies of a blob there are does not count for garbage. A blob is read once in each round of
// the scrub; between two readings of one there may be up to two intervals, when many blobs came
// or went. What is damaged the scrub only sets aside: transfer mends.
package sweep
