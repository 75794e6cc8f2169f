package peer

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

const (
	maxCapabilities = 64
	maxCapability   = 64 // bytes
	// MaxName is how long a member's name may be, in bytes.
	MaxName = 64
)

// AllUnderstand reports whether every member that this peer knows of, connected or
// not, and every peer that a member is connected with, has said that it understands a
// capability. Members of releases that say nothing understand none. A peer that has
// bootstrappers and never met a member does not know whom it is about to join: it
// says no. One bootstrapper that was never met holds up nothing.
func (p *Peer) AllUnderstand(capability string) bool { return p.roster.allUnderstand(capability) }

func (r *roster) allUnderstand(capability string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	joining, joined := false, false
	for _, e := range r.records {
		known := e.confirmed || len(e.addrs) > 0
		if known && !slices.Contains(e.capabilities, capability) {
			return false
		}
		joining, joined = joining || e.bootstraps, joined || e.confirmed
	}
	return joined || !joining
}

// readCapabilities takes what there is room for of a list that a peer said: unknown
// ones too, which this release may pass on to the next by way of the datastore.
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

// known are those of the capabilities that are this peer's own as well: what is worth
// passing on about others is bounded by what this release knows of.
func (c Config) known(capabilities []string) []string {
	var list []string
	for _, own := range c.Capabilities {
		if slices.Contains(capabilities, own) {
			list = append(list, own)
		}
	}
	return list
}

// ValidName reports whether a registry may be called that: up to MaxName bytes of
// printable text, so that it can be put into a line of a log or a table.
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

// readName takes a name that a peer said; "" where it is none.
func readName(name string) string {
	if !ValidName(name) {
		return ""
	}
	return name
}
