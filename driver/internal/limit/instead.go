package limit

// FitsInstead is Fits for when a thing of another source that is in were not: for who can end that
// one. Nothing is counted.
func (b *Bound) FitsInstead(from, other Source) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count(other, -1)
	defer b.count(other, 1)
	return b.fits(from, 1)
}
