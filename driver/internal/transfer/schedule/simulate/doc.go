// Package simulate plays a swarm of registries that pull one blob over links of given speeds. Each
// registry has a real schedule (a Plan, a Roster, an Order and Trees). Time is virtual: what the
// simulation measures depends on the seed alone. It is for tests of package schedule, and runs in
// a bubble of testing/synctest, whose clock it advances:
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
// It plays what a transfer does around its schedule: it asks all members which of them has the
// blob, fetches the first leaf before anything else, asks the members that a holder names, waits
// for a leaf at a member that will have it, polls the registries that fetch the blob as well, and
// gives up a holder that is silent, slow or lies.
//
// Limits: the streams of a link share it fairly from their first byte on. Requests and answers take
// time but no bandwidth. Inner blocks come in one round trip. Hashing and disks take no time. A
// member that sent wrong bytes does not mend its copy.
package simulate
