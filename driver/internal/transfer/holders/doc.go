// Package holders knows which members hold a blob: it asks all that are connected, remembers
// for a moment what they answered, and for longer who sent wrong bytes of it.
//
//	d := holders.New(ctx, holders.Config{Connected: swarm.Connected, Client: client, …})
//	ids, err := d.Whole(ctx, ref) // who has all of it
//
//	q := d.Ask(ref, holders.RememberFor, true) // or each answer as it comes
//	for changed := q.Changed(); …; {
//		whole, some, silent := q.Answers()
//		…
//	}
//
// Limits: only members that are connected when a question begins are asked. What was
// answered is believed for two seconds, whether or not it is still so.
package holders
