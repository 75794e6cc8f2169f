// Package schedule decides which leaf of a blob is fetched from which member, in what order,
// and which registry passes a leaf on to which others. It only decides: the clock and the
// dice are passed in, and nothing here locks, waits, starts a goroutine or uses the network.
// So a test can describe a state as text, and package simulate can play a swarm of a thousand
// registries.
//
//	plan := schedule.NewPlan(layout.Leaves(), schedule.NewOrder(self, layout.Leaves()), timing)
//	roster := schedule.NewRoster(timing, dice)
//	roster.Add(member, nil)                  // it has the whole blob
//	plan.Seen(0, 1, 2)                       // no other blob here has these leaves
//	run := plan.Next(schedule.Now{Time: now, Absent: absent, Begun: true}, roster, false)
//	…                                        // receive the run's leaves
//	plan.Skip(run)                           // after each of them
//	plan.Release(run)
//	roster.Done(now, run.Holder, schedule.Delivered)
//
// A [Plan] knows which leaves are on their way, and which ones readers wait for. A [Roster] knows
// which members have the blob. An [Order] says whose turn it is to fetch a leaf, among registries
// that fetch the blob at the same time. [Trees] are for the member that sends: they decide which
// of the registries that ask for a leaf gets it from which other.
//
// A holder that has not shown yet that it brings what it says it has is on probation ([Standing]): a
// run of it that brings nothing for Timing.Hedge hangs, so that its leaves may be had from another.
//
// Limits: a plan is for one blob, and knows nothing of other transfers. The time that a choice
// takes grows with the number of leaves.
package schedule
