package peer

import "testing"

// TestWhatAMemberSaidIsOfAnotherTime until it has said hello since it was connected: what is
// remembered of it may be of another release.
func TestWhatAMemberSaidIsOfAnotherTime(t *testing.T) {
	r := newRoster("self")
	greeted := func() bool { return r.members()[0].Greeted }
	r.subscribed("m", true, true)
	if greeted() {
		t.Error("it has said nothing")
	}
	r.said("m", words{trust: trustsAll, capabilities: []string{"copies"}})
	if !greeted() {
		t.Error("it has said hello")
	}
	r.connected("m", false)
	r.connected("m", true)
	if greeted() {
		t.Error("it has come back, and has said nothing")
	}
}
