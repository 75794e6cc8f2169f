package blob

import (
	"sync"

	"github.com/ipfs/go-cid"
)

// locks is one lock for each CID, kept only while it is held or awaited.
type locks struct {
	mu   sync.Mutex
	held map[cid.Cid]*lock
}

type lock struct {
	sync.Mutex
	users int
}

func (l *locks) lock(c cid.Cid) (unlock func()) {
	l.mu.Lock()
	k := l.held[c]
	if k == nil {
		k = new(lock)
		l.held[c] = k
	}
	k.users++
	l.mu.Unlock()
	k.Lock()
	return sync.OnceFunc(func() {
		k.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if k.users--; k.users == 0 {
			delete(l.held, c)
		}
	})
}

// busy reports whether somebody holds, or waits for, the lock of c.
func (l *locks) busy(c cid.Cid) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[c] != nil
}
