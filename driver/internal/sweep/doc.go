// Package sweep removes from the disk what is no longer needed. At present that is what is
// left of abandoned uploads.
//
//	uploads := sweep.NewUploads("…/staging/local", "…/staging/writers", blobs, log)
//	uploads.Start()
//	defer uploads.Close()
//
// Limits: an upload is removed a day after its last byte, an hour after it when room is
// short, and never while it is being written. Blobs that no entry names stay.
package sweep
