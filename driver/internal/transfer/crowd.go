package transfer

import "sync"

const (
	// maxRequestsFrom and maxRequests are how many requests are answered at once, of one
	// member and in all. A registry asks each member for a few ranges a transfer, and once
	// for each blob that it looks for.
	maxRequestsFrom = 256
	maxRequests     = 4096
)

// crowd bounds the requests that are being answered.
type crowd struct {
	mu   sync.Mutex
	from map[string]int // by remote address, which is a peer ID
	all  int
}

func (c *crowd) enter(from string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= maxRequests || c.from[from] >= maxRequestsFrom {
		return false
	}
	if c.from == nil {
		c.from = map[string]int{}
	}
	c.all++
	c.from[from]++
	return true
}

func (c *crowd) leave(from string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.from[from]--; c.from[from] == 0 {
		delete(c.from, from)
	}
}
