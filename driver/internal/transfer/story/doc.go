// Package story is what can be told of a transfer: who asked for the blob, from whom its bytes came
// and by which road, what its time went to, and what limited it.
//
//	d := story.NewDraft(cid, size, time.Now())
//	d.Turn(now, story.FirstByte)      // what the transfer waits for from now on
//	d.Order(holder, now)              // a holder is asked for leaves
//	d.Leaf(holder, story.RoadData, n) // and one of them is here, verified
//	d.Done(holder, now, how)          // the order is over
//	s := d.Told(now)
//	limit := s.Limit()
//	book.Add(s)                       // the last Most stories are kept
//
// A [Draft] is written by the coordinator of a transfer, from the events that it is sent anyway. A
// [Story] is what a draft says at one moment, and [Story.Limit] judges it by what is in it alone. A
// [Book] keeps the last stories of a registry, and how long transfers took.
//
// Limits: a story names at most MaxSources members, and sums up the others. It knows no paths, no
// digests and no names of members. Each moment of a transfer is counted for one phase, so that the
// times add up to how long it took; what is said of a member may overlap with what is said of others.
package story
