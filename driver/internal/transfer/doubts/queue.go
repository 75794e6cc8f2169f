package doubts

import (
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

const (
	// every is the interval at which doubts of one member are taken, after the first Burst.
	// Each costs reading and hashing a leaf, so in the long run a member that lies costs one
	// leaf in that time.
	every = 5 * time.Second
	// Burst is how many doubts of one member are taken at once.
	Burst = 16
	// maxWaiting is how many doubts may wait to be checked. Further ones are refused, and
	// come again with the next transfer.
	maxWaiting = 64
	// maxDoubters is how many members are remembered, far more than a swarm has.
	maxDoubters = 4096
)

// suspect is a leaf of a blob that a member doubts.
type suspect struct {
	root cid.Cid
	leaf int
}

// queue holds leaves that members found wrong when this registry sent them. At most one leaf of
// each blob is in it, however many members doubt the blob.
type queue struct {
	waiting chan suspect

	mu    sync.Mutex
	from  map[peer.ID]*rate.Limiter
	blobs map[cid.Cid]bool // of which a leaf waits or is being checked
}

func newQueue() *queue {
	return &queue{waiting: make(chan suspect, maxWaiting), from: map[peer.ID]*rate.Limiter{}, blobs: map[cid.Cid]bool{}}
}

// take queues a doubt. It returns false when the member has had too many doubts, or when too many
// are queued.
func (q *queue) take(from peer.ID, at suspect) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.blobs[at.root] {
		return true
	}
	limit := q.from[from]
	if limit == nil {
		if len(q.from) >= maxDoubters {
			clear(q.from)
		}
		limit = rate.NewLimiter(rate.Every(every), Burst)
		q.from[from] = limit
	}
	if !limit.Allow() {
		return false
	}
	select {
	case q.waiting <- at:
		q.blobs[at.root] = true
		return true
	default:
		return false
	}
}

func (q *queue) done(at suspect) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.blobs, at.root)
}
