package peer_test

import "testing"

func TestConnectionsToMembersAreKept(t *testing.T) {
	t.Parallel()
	all := []*station{newStation(t), newStation(t), newStation(t)}
	all[0].start(t, nil)
	boot := via(all[0].info(t, stripped(t, all[0])...))
	all[1].start(t, boot)
	all[2].start(t, boot) // it and the one before learn of each other
	meet(t, all...)
	s := newStranger(t, all[1])
	for _, a := range all {
		for _, b := range all {
			if id := b.id(t); a != b {
				eventually(t, "a member is kept", func() bool { return a.KeepsMember(id) })
			}
		}
		if a.KeepsMember(s.ID()) {
			t.Error("anybody is kept")
		}
	}
}
