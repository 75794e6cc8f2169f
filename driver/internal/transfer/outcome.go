package transfer

import (
	"errors"
	"fmt"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/ipfs/go-cid"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/fetch"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// Result is how a transfer ended.
type Result = story.Result

const (
	maxWarned  = 1024      // how many blobs whose failures were warned of are remembered
	warnedTime = time.Hour // for how long further failures of the same blob are no warnings
)

// outcomes counts how transfers ended. Clients ask for a blob that cannot be fetched again and
// again, but only one warning an hour is logged for it.
type outcomes struct {
	mu     sync.Mutex
	counts map[Result]int64
	warned *lru.Cache[cid.Cid, time.Time] // when a blob was last warned of
}

func newOutcomes() (*outcomes, error) {
	warned, err := lru.New[cid.Cid, time.Time](maxWarned)
	if err != nil {
		return nil, fmt.Errorf("remember failed transfers: %w", err)
	}
	return &outcomes{counts: map[Result]int64{}, warned: warned}, nil
}

// note counts how a transfer ended, and reports whether to log a warning: only for a transfer that
// a request waited for.
func (o *outcomes) note(c cid.Cid, result Result, background bool) (warn bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts[result]++
	switch result {
	case story.Whole:
		o.warned.Remove(c)
		return false
	case story.Abandoned, story.Streamed:
		return false
	}
	if background {
		return false
	}
	if last, ok := o.warned.Get(c); ok && time.Since(last) < warnedTime {
		return false
	}
	o.warned.Add(c, time.Now())
	return true
}

// Ended returns how many transfers have ended with each result since the start.
func (t *Transfers) Ended() map[Result]int64 {
	t.outcomes.mu.Lock()
	defer t.outcomes.mu.Unlock()
	all := make(map[Result]int64, len(story.Results))
	for _, r := range story.Results {
		all[r] = t.outcomes.counts[r]
	}
	return all
}

// resultOf classifies what a transfer ended with.
func resultOf(err error) Result {
	var none *Unavailable
	switch {
	case err == nil:
		return story.Whole
	case errors.As(err, &none):
		return story.Unavailable
	case errors.Is(err, fetch.ErrUnread), errors.Is(err, ErrClosing):
		return story.Abandoned
	}
	return story.Failed
}

// verdict makes the error that readers get from the end of a transfer.
func (t *Transfers) verdict(c cid.Cid, e fetch.End) error {
	switch {
	case e.Cause == nil:
		return nil
	case errors.Is(e.Cause, fetch.ErrNobody), errors.Is(e.Cause, fetch.ErrStalled):
		last := e.Last
		if last == nil && errors.Is(e.Cause, fetch.ErrStalled) {
			last = e.Cause
		}
		return &Unavailable{CID: c, Asked: e.Asked, Cause: last, Damaged: t.cfg.Blobs.IsRotten(c)}
	default:
		return fmt.Errorf("fetch %s: %w", c, e.Cause)
	}
}

// report counts how a transfer ended, and logs a failure: as a warning, or for debugging only (see
// outcomes.note).
func (t *Transfers) report(j *fetch.Job, e fetch.End, err error) (result Result) {
	ref := j.Ref()
	result = resultOf(err)
	if _, streamed := j.Passed(); streamed && err == nil {
		result = story.Streamed
	}
	warn := t.outcomes.note(ref.CID, result, j.Background())
	if err == nil {
		return result
	}
	log := t.cfg.Log.WithError(err).WithFields(logrus.Fields{
		"cid": ref.CID, "asked": len(e.Asked), "received": e.Received, "size": ref.Size,
		"took": time.Since(j.Born()).Round(time.Millisecond).String(),
	})
	if warn {
		log.Warn("a blob could not be fetched: the next request for it will try again")
	} else {
		log.Debug("a transfer ended")
	}
	return result
}
