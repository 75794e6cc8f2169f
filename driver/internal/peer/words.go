package peer

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// words is what a connected member says about itself.
type words struct {
	addrs, data  []multiaddr.Multiaddr // of its host, of its data port
	relays       []peer.ID             // by way of which it is reached
	trust        string                // digest of its list of trusted peers
	name         string
	capabilities []string
	beat         *heartbeatMsg // nil: none
}

// said notes what a connected member says about itself. changed reports whether the
// remembered part of it changed.
func (r *roster) said(id peer.ID, w words) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	if e == nil {
		return false
	}
	if len(w.addrs) > 0 && !sameAddrs(e.addrs, w.addrs) {
		e.addrs, changed = w.addrs[:min(len(w.addrs), maxAddrs)], true
	}
	if e.name != w.name || !slices.Equal(e.capabilities, w.capabilities) {
		e.name, e.capabilities, changed = w.name, w.capabilities, true
	}
	e.saidBeat(w.beat, time.Now())
	e.trust, e.data, e.relays, e.greeted = w.trust, w.data, w.relays, true
	return changed
}

// data is where a member says that its data port is, and whether the member was of use.
func (r *roster) data(id peer.ID) (said []multiaddr.Multiaddr, useful bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.records[id]; e != nil && e.member() {
		return e.data, e.standing(r) < onTrial
	}
	return nil, false
}

func sameAddrs(a, b []multiaddr.Multiaddr) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		if !multiaddr.Contains(b, x) {
			return false
		}
	}
	return true
}
