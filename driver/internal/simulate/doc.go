// Package simulate plays a swarm of registries that agree on a path map. The maps are real, each
// with a datastore in memory; the network and the clock are not: there are no sockets, and a
// minute takes as long as the maps compute. It runs in a bubble of testing/synctest, whose clock it
// lives by, and counts what each member sends and receives:
//
//	synctest.Test(t, func(t *testing.T) {
//		s, err := simulate.New(t.Context(), simulate.Config{Members: 200, Seed: 1, Loss: 0.5})
//		err = s.Push(t.Context(), 0, paths)
//		time.Sleep(5 * time.Second) // of the bubble
//		after := s.Arrivals(paths[9])
//		cost := s.Cost()
//		err = s.Close()
//	})
//
// What is played instead of being run is what package peer does: announcements go from their author
// to all members, and are passed on in a mesh of six, as by gossipsub; the IDs of the messages of the
// last three seconds are told to some members every second; heartbeats go to all members every ten
// seconds, and hellos to one. Sizes are those of the real messages, with headers.
//
// Limits: links have a delay and any bandwidth; announcements get lost, and what TCP would send
// again does not. A member that loses an announcement loses all copies of it, also those that gossip
// would bring later. Acknowledgements of TCP are not counted. Processor time is that of the maps
// alone: nothing is signed, encrypted or written to a disk.
package simulate
