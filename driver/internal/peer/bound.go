package peer

import "sync"

// bound counts things that exist at the same time, and refuses more than a number of them
// from one source, or in all.
type bound[K comparable] struct {
	each, most int

	mu   sync.Mutex
	from map[K]int
	all  int
}

func newBound[K comparable](each, most int) *bound[K] {
	return &bound[K]{each: each, most: most, from: map[K]int{}}
}

func (b *bound[K]) enter(from K) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all >= b.most || b.from[from] >= b.each {
		return false
	}
	b.all++
	b.from[from]++
	return true
}

func (b *bound[K]) leave(from K) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all--
	if b.from[from]--; b.from[from] == 0 {
		delete(b.from, from)
	}
}
