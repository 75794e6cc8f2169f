// Package schedule decides which leaf of a blob is fetched from which member, in what order,
// and which registry passes a leaf on to which others. It only decides: the clock and the
// dice are passed in, and nothing here locks, waits, starts a goroutine or uses the network.
// So a test can describe a state as text, and a simulator can play a swarm of a thousand
// registries.
//
//	plan := schedule.NewPlan(layout.Leaves(), schedule.NewOrder(self, layout.Leaves()), timing)
//	roster.Add(member, now)                  // it has the whole blob
//	plan.Seen(0, 1, 2)                       // no other blob here has these leaves
//	run := plan.Next(schedule.Now{Time: now, Absent: absent, Begun: true}, roster, false)
//	…                                        // receive the run's leaves
//	plan.Skip(run)                           // after each of them
//	plan.Release(run)
//
// A [Plan] is what is on its way and what readers wait for; a [Roster] is who has the blob;
// an [Order] is whose turn a leaf is, among registries that fetch the blob at the same time;
// [Trees] is the other side: which of the registries that ask for a leaf gets it from which.
//
// Limits: a plan is for one blob, and knows nothing of other transfers. A choice costs time
// that grows with the number of leaves.
package schedule
