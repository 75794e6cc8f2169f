package engine

import (
	"fmt"
	"time"
)

// WasRevoked says that this registry itself was revoked, and by whom, as its own map has it; "": not as far as it
// knows. One that was shut out before it heard of that only sees that the others hang up.
func (e *Engine) WasRevoked() string {
	if e.Peer == nil || !e.Peer.Revoked(e.self) {
		return ""
	}
	for _, r := range e.Revoked() {
		if r.ID != e.self {
			continue
		}
		when := ""
		if !r.At.IsZero() {
			when = " at " + r.At.UTC().Format(time.RFC3339)
		}
		return fmt.Sprintf("this registry was revoked by %s%s: the others refuse it and what it says", e.Called(r.By), when)
	}
	return "this registry was revoked: the others refuse it and what it says"
}

// WhyReadOnly is why this registry takes no pushes and deletes; "": it does.
func (e *Engine) WhyReadOnly() string {
	switch {
	case !e.ReadOnly():
		return ""
	case e.Peer.Revoked(e.self):
		return "it was revoked"
	}
	return "it is not in its own trustedpeers"
}

// shutOut says that no member is connected, and some hang up on this registry; "": it is not so. One that has long joined
// would go on being ready otherwise, since a swarm may be cut in two.
func (e *Engine) shutOut() string {
	if e.Peer == nil || e.WasRevoked() != "" || len(e.ConnectedMembers()) > 0 {
		return ""
	}
	n := e.Peer.HangingUp()
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("no member is connected, and %d of the registries that it dials answer and hang up at once: this one may have been revoked, "+
		"or their allowedpeers do not name it: ask `registry ipfs members` there", n)
}
