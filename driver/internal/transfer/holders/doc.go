// Package holders knows which members hold a blob. It asks all connected members, remembers for a
// moment what they answered, and remembers for longer which of them sent wrong bytes of the blob, and
// which were mute or wrong at all (Standing): those are asked last, whichever the blob. Where only
// such a member says that it holds a blob, or one that is not trusted, it has to send a leaf of it.
//
//	d := holders.New(ctx, holders.Config{Connected: swarm.Connected, Client: client, …})
//	ids, err := d.Whole(ctx, ref) // the members that have all of it
//
//	q := d.Ask(ref, holders.RememberFor, true) // or each answer as it comes
//	for changed := q.Changed(); …; changed = q.Changed() {
//		whole, some, silent := q.Answers()
//		…
//		<-changed // or <-q.Done()
//	}
//
// Limits: 4096 members are remembered, and 16384 times that one was wrong about a blob. Only members that are connected when a question begins are asked. But for WholeNow an
// answer is believed for two seconds after its question began, whether or not it is still true.
package holders
