package limit

import "sync"

// Limit counts things by their source. It is safe for concurrent use.
type Limit[K comparable] struct {
	each, most int

	mu   sync.Mutex
	from map[K]int
	all  int
}

// New allows that many things of each source, and that many in all.
func New[K comparable](each, most int) *Limit[K] {
	return &Limit[K]{each: each, most: most, from: map[K]int{}}
}

// Enter counts one more thing of a source; false, and it is not counted, when that would be
// too many.
func (l *Limit[K]) Enter(from K) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= l.most || l.from[from] >= l.each {
		return false
	}
	l.all++
	l.from[from]++
	return true
}

// Leave ends one thing of a source that has entered.
func (l *Limit[K]) Leave(from K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.from[from]--; l.from[from] == 0 {
		delete(l.from, from)
	}
}

// Len is how many things there are now.
func (l *Limit[K]) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}
