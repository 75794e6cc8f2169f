// Package simulate plays a swarm of registries that pull one blob, each with a real schedule
// (a Plan, a Roster, an Order and Trees), over links of given speeds, in virtual time: what
// it measures depends on the seed alone. It is for tests of package schedule, and runs in a
// bubble of testing/synctest, whose clock it moves on:
//
//	synctest.Test(t, func(t *testing.T) {
//		s := simulate.New(seed, leaves)
//		source := s.Holder(simulate.Link{Up: 16 << 20, Down: 16 << 20, Latency: time.Millisecond})
//		for range 1000 {
//			s.Puller(link)
//		}
//		s.At(2*time.Second, source.Die)
//		result := s.Run(time.Minute)
//	})
//
// It plays what a transfer does around its schedule: it asks all members who has the blob,
// fetches the first leaf before anything else, follows the members that a holder names,
// waits for a leaf at one that will have it, polls those that fetch the blob as well, and
// gives up a holder that is silent, slow, or lies.
//
// Limits: the streams of a link share it equally, from their first byte on; requests and
// answers take time but no bandwidth; inner blocks come in one round trip; hashing and disks
// take no time. Whoever lied does not mend its copy.
package simulate
