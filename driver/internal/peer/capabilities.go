package peer

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	maxCapabilities = 64
	maxCapability   = 64 // bytes
	// MaxName is how long a member's name may be, in bytes.
	MaxName = 64
)

// AllUnderstand reports whether every member that this peer knows of, connected or not, and
// every peer that a member is connected with, has said that it understands a capability.
// Members whose release lists none understand none. For a peer that has bootstrappers and has
// never met a member the answer is false, because it does not know yet which members it will
// join. Once a member has been met, a bootstrapper that has not does not matter.
func (p *Peer) AllUnderstand(capability string) bool {
	return p.roster.allUnderstand(capability) && (p.roster.knowsAny() || !p.seeks())
}

func (r *roster) knowsAny() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.records {
		if e.known {
			return true
		}
	}
	return false
}

func (r *roster) allUnderstand(capability string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	joining, joined := false, false
	for _, e := range r.records {
		if !r.lists.allows(e.id) { // it is told nothing
			continue
		}
		known := e.known || len(e.addrs)+len(e.named) > 0
		if known && !slices.Contains(e.capabilities, capability) {
			return false
		}
		joining, joined = joining || e.bootstraps, joined || e.known
	}
	return joined || !joining
}

// Understands reports whether a peer that is connected has said so of a capability, since it was connected.
func (p *Peer) Understands(id peer.ID, capability string) bool {
	return p.roster.understands(id, capability)
}

func (r *roster) understands(id peer.ID, capability string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	return e != nil && e.greeted && slices.Contains(e.capabilities, capability)
}

// readCapabilities takes as much of a peer's list as there is room for, including unknown
// capabilities, which a later release may read from the datastore.
func readCapabilities(said []string) []string {
	var list []string
	for _, c := range said {
		if len(list) == maxCapabilities {
			break
		}
		if c != "" && len(c) <= maxCapability && !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list
}

// known returns those of the capabilities that this peer also has: about other members, only
// capabilities that this release knows are passed on.
func (c Config) known(capabilities []string) []string {
	var list []string
	for _, own := range c.Capabilities {
		if slices.Contains(capabilities, own) {
			list = append(list, own)
		}
	}
	return list
}

// ValidName reports whether a registry may have that name: up to MaxName bytes of printable
// text, so that the name fits into a line of a log or a table.
func ValidName(name string) bool {
	if len(name) > MaxName || !utf8.ValidString(name) {
		return false
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// readName checks a name that a peer sent; "" when it is not valid.
func readName(name string) string {
	if !ValidName(name) {
		return ""
	}
	return name
}
