package sweep

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/evict"
)

// tellEvery is how often the log says what left the cache.
const tellEvery = time.Hour

// CacheState is what a cache tells an operator.
type CacheState struct {
	Limit   int64   // bytes, or evict.NoLimit
	MinFree int64   // bytes of the disk that are to stay free
	Evicted Removed // since the start
	Stuck   string  // why no room can be made that is called for; "": it can, or is not called for
}

// told is what the log has been told.
type told struct {
	at   time.Time
	gone Removed // since then

	stuck bool // that nothing can go
}

// State is the state of now.
func (c *Cache) State() CacheState {
	minFree := c.cfg.MinFree()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state
	s.MinFree = minFree
	return s
}

// note counts and logs what left the cache.
func (c *Cache) note(gone evict.Amount) {
	if gone.Files == 0 {
		return
	}
	c.mu.Lock()
	c.state.Evicted.Blobs += int(gone.Files)
	c.state.Evicted.Bytes += gone.Bytes
	c.mu.Unlock()
	c.told.gone.Blobs += int(gone.Files)
	c.told.gone.Bytes += gone.Bytes
	fields := logrus.Fields{"blobs": gone.Files, "bytes": gone.Bytes}
	if time.Since(c.told.at) < tellEvery {
		c.cfg.Log.WithFields(fields).Debug("blobs left the cache")
		return
	}
	fields["blobs"], fields["bytes"] = c.told.gone.Blobs, c.told.gone.Bytes
	c.cfg.Log.WithFields(fields).Info("blobs left the cache, the least recently used ones: this is said once an hour at most")
	c.told.at, c.told.gone = time.Now(), Removed{}
}

// able notes that nothing hinders the cache.
func (c *Cache) able() {
	c.passed, c.again, c.told.stuck = time.Time{}, 0, false
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Stuck = ""
}

// unable notes that all that is here has been asked to go. The second time in a row it says so,
// once: after a start nobody else may have been met yet.
func (c *Cache) unable(lacking evict.Amount) {
	again := !c.passed.IsZero()
	c.passed, c.again = time.Now(), min(max(againFirst, 2*c.again), againMost)
	why := c.why(lacking)
	c.refuse = refusals{}
	c.mu.Lock()
	c.state.Stuck = why
	c.mu.Unlock()
	if again && !c.told.stuck {
		c.told.stuck = true
		c.cfg.Log.Warn("no room can be made: " + why + ": add disk, or registries that keep copies (`replicas`), or delete images")
	}
}

func (c *Cache) why(lacking evict.Amount) string {
	why := []string{fmt.Sprintf("%s too much are on the disk", humanize.IBytes(uint64(lacking.Bytes)))}
	if lacking.Bytes == 0 {
		why = []string{fmt.Sprintf("%d files too many are on the disk", lacking.Files)}
	}
	if r := c.refuse.last; r.Blobs > 0 {
		why = append(why, fmt.Sprintf("of %d blobs (%s) too few others are known to keep copies", r.Blobs, humanize.IBytes(uint64(r.Bytes))))
	}
	if r := c.refuse.used; r.Blobs > 0 {
		why = append(why, fmt.Sprintf("%d blobs (%s) are in use", r.Blobs, humanize.IBytes(uint64(r.Bytes))))
	}
	if len(why) == 1 {
		why = append(why, "no blob that is here may go")
	}
	return strings.Join(why, ", ")
}
