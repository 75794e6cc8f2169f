package mark

import (
	"crypto/sha256"
	"sync"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/manifest"
)

// named is what a manifest names, and its subjects. It never changes.
type named struct{ needs, subjects ids }

func namedBy(m manifest.Manifest) *named {
	n := new(named)
	n.needs.sums = make([][sha256.Size]byte, 0, 1+len(m.Layers)+len(m.Manifests)+len(m.Others))
	for d := range m.Names() {
		if x, ok := parse(d); ok {
			n.needs.add(x)
		}
	}
	for _, d := range m.Subjects {
		if x, ok := parse(d); ok {
			n.subjects.add(x)
		}
	}
	return n
}

// besides is about what an entry of a cache takes of memory besides the digests.
const besides = 300

func (n *named) bytes() int64 { return besides + n.needs.bytes() + n.subjects.bytes() }

// Cache keeps what manifests name from one marking to the next, so that they need not be
// read again. It may be used by one marking at a time, and is emptied by forgetting it. A nil
// Cache keeps nothing.
type Cache struct {
	mu    sync.Mutex
	most  int64 // bytes
	bytes int64
	round int // of marking
	of    map[cid.Cid]*cached
}

type cached struct {
	*named
	round int // in which it was asked for
}

// NewCache makes a cache of at most that many bytes: an image of ten layers takes some 700.
// When it is full the manifests beyond it are read each time.
func NewCache(bytes int64) *Cache { return &Cache{most: bytes, of: map[cid.Cid]*cached{}} }

func (c *Cache) get(of cid.Cid) *named {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.of[of]
	if !ok {
		return nil
	}
	e.round = c.round
	return e.named
}

// put keeps what a manifest names, if there is room. It makes none: the next round asks for
// the same in the same order, and would find nothing of what made room for the last.
func (c *Cache) put(of cid.Cid, n *named) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.of[of]; !ok && c.bytes+n.bytes() <= c.most {
		c.of[of] = &cached{n, c.round}
		c.bytes += n.bytes()
	}
}

// end ends a round: what it did not ask for is gone from the map.
func (c *Cache) end() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for of, e := range c.of {
		if e.round != c.round {
			delete(c.of, of)
			c.bytes -= e.bytes()
		}
	}
	c.round++
}
