package engine

// capabilities are what this release understands that an earlier one does not, in the order
// in which they were added. A member lists them in its hellos; a feature that members of
// earlier releases cannot follow starts when AllUnderstand reports true for its name. A
// capability that was in a release is never removed.
func capabilities() []string {
	return []string{"replicas", "copies", "summary", "reach", compactable, revocable, "signed"}
}

// Capabilities are what this release understands.
func (e *Engine) Capabilities() []string { return capabilities() }

// AllUnderstand reports whether all members that this registry knows of, connected or
// remembered, understand a capability. Without a network it is true.
func (e *Engine) AllUnderstand(capability string) bool {
	return e.Peer == nil || e.Peer.AllUnderstand(capability)
}
