// Package room reports whether there is room for what is to come: bytes and inodes on a
// disk, and file descriptors of this process. Uploads, transfers and metadata ask it before
// they take anything, so that what was acknowledged can always be finished, and the
// datastore can go on writing.
//
//	disk := room.On("/var/lib/registry/ipfs/staging")
//	claim, err := disk.Take(contentLength) // a *Short: refuse
//	defer claim.Release()
//	claim.Spend(n) // n bytes of them are on the disk
//
// Whoever can make room is lent to it (OnShort): what is refused may wait for that once (Await).
//
// Limits: it knows only the claims of this process. Others may take at any moment what it
// has counted as free, so a write can still fail.
package room
