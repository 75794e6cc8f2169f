package sweep

import (
	"context"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/evict"
)

const (
	cachePace   = 5 * time.Second  // between two looks at the disk
	againFirst  = 30 * time.Second // after a pass in which nothing could go; then less and less often
	againMost   = 10 * time.Minute
	againAsked  = 10 * time.Second // at most, when somebody waits for room
	orderAge    = 10 * time.Minute // after which the order of what goes is made anew
	orderMost   = 1 << 16          // blobs whose order is known at once
	atOnce      = 8                // blobs that are given up at the same moment
	askedMost   = 64               // blobs that are asked about before the goal is looked at again
	cacheMargin = 32 << 20         // bytes beyond what room keeps, from which on the cache gives way
)

// CacheConfig is what a cache is made of.
type CacheConfig struct {
	Blobs *blob.Store
	Bytes *Bytes
	Map   func() pathmap.View
	Limit int64 // bytes that the cache may have, or evict.NoLimit
	// MinFree is how many bytes of the disk are to stay free.
	MinFree func() int64
	// Keeps reports whether this registry is to keep a blob, and Members gives another number
	// when it may keep others than before.
	Keeps   func(cid.Cid) bool
	Members func() int
	// GiveUp calls remove if this registry is no keeper of a blob and enough others have just
	// answered that they keep it (package replica). It returns an error when it does not.
	GiveUp func(ctx context.Context, c cid.Cid, remove func() error) error
	Log    *logrus.Entry
}

// Cache makes room on the disk by what this registry has and is no keeper of: when the cache is
// larger than its limit, when too little of the disk is free, and when somebody asks for room.
// What was used least recently goes first. Manifests never go, nor what is read, sent, fetched or
// pinned, nor copies of which others do not have enough. Whether an entry names a blob does not
// matter.
//
//	c := sweep.NewCache(sweep.CacheConfig{…})
//	blobs.Room().OnShort(c.MakeRoom)
//	c.Start()
//	defer c.Close()
//
// It is safe for concurrent use. Looking for what goes takes a moment for each blob that is here,
// but memory for some of them only.
type Cache struct {
	cfg    CacheConfig
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	soon   chan struct{}

	// These belong to the goroutine that makes room.
	order   []evict.Candidate // what goes next
	last    evict.Candidate   // that was asked about; the zero one: a pass begins
	looked  time.Time         // when the order was made
	took    time.Duration     // to make it
	kept    int64             // bytes that were here then and no cache
	size    int64             // bytes that were cache then, remnants too, and have not gone since
	gone    int64             // bytes that had gone until then
	members int               // as of then
	refuse  refusals          // of this pass
	again   time.Duration     // from a pass in which nothing could go to the next
	passed  time.Time         // when that one ended; zero: something can go
	lasted  time.Duration     // and how long it took
	told    told

	mu      sync.Mutex
	waiting map[*waiter]struct{}
	state   CacheState
}

// NewCache makes a cache, which does nothing before Start.
func NewCache(cfg CacheConfig) *Cache {
	c := &Cache{cfg: cfg, soon: make(chan struct{}, 1), waiting: map[*waiter]struct{}{}}
	c.state.Limit = cfg.Limit
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Start looks after the disk until Close.
func (c *Cache) Start() { c.wg.Go(c.run) }

// Close ends what is under way, and waits for it. It may be called again, and without Start.
func (c *Cache) Close() {
	c.cancel()
	c.wg.Wait()
}

func (c *Cache) run() {
	tick := time.NewTicker(cachePace)
	defer tick.Stop()
	for c.ctx.Err() == nil {
		c.turn()
		select {
		case <-tick.C:
		case <-c.soon:
		case <-c.ctx.Done():
		}
	}
}

// hurry has the next look at the disk begin at once.
func (c *Cache) hurry() {
	select {
	case c.soon <- struct{}{}:
	default:
	}
}
