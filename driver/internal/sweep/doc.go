// Package sweep removes what is no longer needed: entries of the path map to which nothing
// refers, for all registries, and bytes of this disk that no entry names, or that are left of
// abandoned uploads.
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
// What is garbage says package mark; when it may go says package lease. The collector only
// does in turn what these ask for: it marks, waits, hears the members, marks again, deletes.
//
// Limits: garbage stays while a known member cannot be heard. An upload is removed a day after
// its last byte, an hour after it when room is short, and never while it is being written.
// How many copies of a blob there are does not count here.
package sweep
