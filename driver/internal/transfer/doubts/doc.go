// Package doubts carries doubts between members: a member that received a leaf whose bytes do not
// match its CID tells the sender, which then checks the leaf on its own disk.
//
//	d := doubts.New(ctx, doubts.Config{Blobs: blobs, Client: client, …})
//	d.Tell(holder, ref.CID, 3)        // the holder's leaf 3 was wrong
//	err := d.Take(member, ref.CID, 3) // a member says that ours is
//
// Limits: one leaf is checked at a time, and 64 may wait. Of one member, 16 doubts are taken and
// then one every five seconds, so that a member that lies costs little. Nothing is mended here: the
// store sets a damaged blob aside, and its OnRotten says so to package transfer, which mends it.
package doubts
