// Package sweep removes from the disk what may go. At present that is what is left of uploads
// that nobody goes on with.
//
//	uploads := sweep.NewUploads("…/staging/local", "…/staging/writers", blobs, log)
//	uploads.Start()
//	defer uploads.Close()
//
// Limits: an upload goes a day after its last byte, an hour when room is short, and never
// while it is written. Blobs that no entry names stay.
package sweep
