package wire

import (
	"net/http"
	"sync"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

const (
	// leastRate is how many bytes a second a member has to take while there are too few slots.
	// Members on a slow link take more, and when there are enough it does not matter.
	leastRate = 16 << 10
	leastTime = 10 * time.Second // over which that is measured, at least
	leastPart = 64 << 10         // bytes that may be on their way, and are not counted yet
	lookEvery = time.Second      // for slow readers, at most so often
)

// admitted is f for members, of whom none asks for too much at once. Close waits until its requests
// are answered.
func (s *Server) admitted(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// A connection may outlive a membership, so each request is admitted by itself.
		if !s.cfg.Admits(r.RemoteAddr) {
			w.Header().Set("Connection", "close")
			http.Error(w, "not a member", http.StatusForbidden)
			return
		}
		from := s.cfg.Source(r.RemoteAddr)
		if s.requests.Short(from.Rank) {
			s.readers.endSlow(from.Rank, s.cfg.Budget)
		}
		leave, ok := s.requests.Enter(from)
		if !ok {
			http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
			return
		}
		defer leave()
		if !s.hold() {
			http.Error(w, "this registry is stopping", http.StatusServiceUnavailable)
			return
		}
		defer s.answered.Done()
		f(w, r)
	}
}

// readers are the answers that members are reading.
type readers struct {
	mu      sync.Mutex
	sending map[*counted]struct{} // those in Write
	looked  time.Time
}

// endSlow ends the answers that members of a rank, or lower ones, read too slowly.
func (q *readers) endSlow(rank limit.Rank, budget *limit.Budget) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if now.Sub(q.looked) < lookEvery {
		return
	}
	q.looked = now
	for c := range q.sending {
		if c.from.Rank <= rank && !c.ended && c.slow(now) {
			c.ended = true
			// The write fails, and the connection is cut.
			_ = http.NewResponseController(c.ResponseWriter).SetWriteDeadline(now)
			budget.Refuse(limit.SlowReaders, c.from)
		}
	}
}

// counted counts the bytes that are sent, and gives up on a member that takes none for
// ServerConfig.Send, or is a slow reader.
type counted struct {
	http.ResponseWriter
	s    *Server
	from limit.Source
	last time.Time // when its deadline was set

	// These are guarded by s.readers.mu.
	sent  int64
	took  time.Duration // of all writes that are done
	since time.Time     // of the one that is not
	ended bool
}

func (s *Server) counted(w http.ResponseWriter, r *http.Request) *counted {
	return &counted{ResponseWriter: w, s: s, from: s.cfg.Source(r.RemoteAddr)}
}

// Write implements io.Writer.
func (c *counted) Write(b []byte) (int, error) {
	now := time.Now()
	if !c.begin(now) {
		return 0, http.ErrHandlerTimeout
	}
	n, err := c.ResponseWriter.Write(b)
	c.s.out.Add(int64(n))
	c.end(n)
	return n, err
}

// begin notes that a write begins, and sets its deadline. It returns false when there is to be none.
func (c *counted) begin(now time.Time) bool {
	q := &c.s.readers
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.ended {
		return false
	}
	if now.Sub(c.last) > c.s.cfg.Send/10 {
		c.last = now
		// The error is ignored: a connection that has no deadlines is bounded by its swarm.
		_ = http.NewResponseController(c.ResponseWriter).SetWriteDeadline(now.Add(c.s.cfg.Send))
	}
	c.since = now
	q.sending[c] = struct{}{}
	return true
}

func (c *counted) end(n int) {
	q := &c.s.readers
	q.mu.Lock()
	defer q.mu.Unlock()
	c.sent += int64(n)
	c.took += time.Since(c.since)
	delete(q.sending, c)
}

// bytes returns how many were sent.
func (c *counted) bytes() int64 {
	c.s.readers.mu.Lock()
	defer c.s.readers.mu.Unlock()
	return c.sent
}

// slow reports whether a member takes too few bytes of what waits for it. What the disk, or this
// registry's own fetching, takes is not its fault and does not count. readers.mu is held.
func (c *counted) slow(now time.Time) bool {
	took := c.took + now.Sub(c.since)
	return took >= leastTime && float64(c.sent+leastPart) < took.Seconds()*leastRate
}
