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
)

// Result is how a transfer ended.
type Result string

// These are the results.
const (
	ResultWhole       Result = "whole"       // the blob is here
	ResultStreamed    Result = "streamed"    // a client got the blob, which could not be kept
	ResultUnavailable Result = "unavailable" // no reachable member gave the blob's bytes
	ResultFailed      Result = "failed"      // the blob could not be kept here, or its DAG is wrong
	ResultAbandoned   Result = "abandoned"   // nobody reads it any more, or this registry stops
)

// Results are all results.
var Results = []Result{ResultWhole, ResultStreamed, ResultUnavailable, ResultFailed, ResultAbandoned}

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

// Ended returns how many transfers have ended with each result since the start.
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
	case errors.Is(err, fetch.ErrUnread), errors.Is(err, ErrClosing):
		return ResultAbandoned
	}
	return ResultFailed
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
func (t *Transfers) report(j *fetch.Job, e fetch.End, err error) {
	ref, result := j.Ref(), resultOf(err)
	if _, streamed := j.Passed(); streamed && err == nil {
		result = ResultStreamed
	}
	warn := t.outcomes.note(ref.CID, result, j.Background())
	if err == nil {
		return
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
}
