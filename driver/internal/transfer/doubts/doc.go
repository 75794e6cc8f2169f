// Package doubts is what members say of each other's copies: that a leaf arrived whose bytes
// are not those of its CID. Who is told so checks the leaf on its own disk.
//
//	d := doubts.New(ctx, doubts.Config{Blobs: blobs, Client: client, …})
//	d.Tell(holder, ref.CID, 3)        // its leaf 3 was wrong
//	err := d.Take(member, ref.CID, 3) // a member says that of ours
//
// Limits: one leaf is checked at a time, 64 wait, and of one member 16 are taken and then
// one every five seconds, so that a member that lies costs little. Nothing is mended here:
// the store sets a damaged blob aside, and tells who mends.
package doubts
