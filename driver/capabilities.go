package driver

// capabilities are what this release understands that an earlier one does not, in the
// order in which they came. A member says them in its greetings; a feature that
// members of earlier releases cannot follow starts when AllUnderstand says so of its
// name. One that stood in a release stays.
func capabilities() []string { return []string{} }

// AllUnderstand reports whether all members that this registry knows of, connected or
// remembered, understand a capability. Without a network it is true.
func (r *rooms) AllUnderstand(capability string) bool {
	return r.peer == nil || r.peer.AllUnderstand(capability)
}
