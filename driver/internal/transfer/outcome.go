package transfer

import (
	"errors"
	"fmt"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/ipfs/go-cid"
	"github.com/sirupsen/logrus"
)

// Result is how a transfer ended.
type Result string

// Results.
const (
	ResultWhole       Result = "whole"       // the blob is here
	ResultStreamed    Result = "streamed"    // passed on to a client: there was no room to keep it
	ResultUnavailable Result = "unavailable" // no reachable member gave its bytes
	ResultFailed      Result = "failed"      // it could not be kept here, or its DAG is wrong
	ResultAbandoned   Result = "abandoned"   // it has no reader any more, or this registry stops
)

// Results are all of them.
var Results = []Result{ResultWhole, ResultStreamed, ResultUnavailable, ResultFailed, ResultAbandoned}

const (
	maxWarned  = 1024      // blobs whose failures are remembered
	warnedTime = time.Hour // for which the same blob's failures are not warned of again
)

// outcomes counts how transfers ended. A blob that cannot be fetched is asked for again and
// again; that is logged in one warning.
type outcomes struct {
	mu     sync.Mutex
	counts map[Result]int64
	warned *lru.Cache[cid.Cid, time.Time]
}

func newOutcomes() (*outcomes, error) {
	warned, err := lru.New[cid.Cid, time.Time](maxWarned)
	if err != nil {
		return nil, fmt.Errorf("remember failed transfers: %w", err)
	}
	return &outcomes{counts: map[Result]int64{}, warned: warned}, nil
}

// note counts an end, and reports whether to log a warning: only for a transfer that a
// request waited for.
func (o *outcomes) note(c cid.Cid, result Result, background bool) (warn bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts[result]++
	switch result {
	case ResultWhole:
		o.warned.Remove(c)
		return false
	case ResultAbandoned, ResultStreamed:
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

// Ended is how many transfers ended with each result since the start.
func (t *Transfers) Ended() map[Result]int64 {
	t.outcomes.mu.Lock()
	defer t.outcomes.mu.Unlock()
	all := make(map[Result]int64, len(Results))
	for _, r := range Results {
		all[r] = t.outcomes.counts[r]
	}
	return all
}

// resultOf classifies what a transfer ended with.
func resultOf(err error) Result {
	var none *Unavailable
	switch {
	case err == nil:
		return ResultWhole
	case errors.As(err, &none):
		return ResultUnavailable
	case errors.Is(err, errUnread), errors.Is(err, ErrClosing):
		return ResultAbandoned
	}
	return ResultFailed
}

// report logs how the transfer ended: a failure as a warning.
func (c *coordinator) report(err error) {
	j := c.j
	result := resultOf(err)
	if err == nil && j.passage != nil {
		result = ResultStreamed
	}
	warn := j.t.outcomes.note(j.ref.CID, result, j.use.background.Load())
	if err == nil {
		return
	}
	log := j.log().WithError(err).WithFields(logrus.Fields{
		"asked": len(c.asked), "received": j.meter.got.Load(), "size": j.ref.Size,
		"took": time.Since(j.meter.born).Round(time.Millisecond).String(),
	})
	if warn {
		log.Warn("a blob could not be fetched: it is tried again when it is asked for")
	} else {
		log.Debug("a transfer ended")
	}
}
