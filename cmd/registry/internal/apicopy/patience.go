package apicopy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// idleTime is for how long nothing may come of an answer that has begun, and nothing be taken of a request. A
// connection over which nothing moves does not end by itself.
const idleTime = time.Minute

// longestWait is for how long at most a registry is left alone that has had too many requests. One that says to come
// back after hours, as public ones do, is not waited for: what it refuses is a fault.
const longestWait = time.Minute

// patience is a transport that ends a request over which nothing moves any more, and gives an answer that says to ask
// again later when it is later: whoever gets it tries again at once.
type patience struct {
	http.RoundTripper
	idle time.Duration
	came *atomic.Int64 // bytes of answers
}

// RoundTrip implements http.RoundTripper.
func (p patience) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	again := r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		sends := &sending{ReadCloser: r.Body, idle: p.idle, stalled: time.AfterFunc(p.idle, func() { cancel(p.stalled("taken")) })}
		sends.stalled.Stop()
		again.Body = sends
	}
	answer, err := p.RoundTripper.RoundTrip(again)
	if err != nil {
		if ctx.Err() != nil && r.Context().Err() == nil {
			err = context.Cause(ctx)
		}
		cancel(nil)
		return nil, err
	}
	waitAfter(ctx, answer)
	comes := &coming{ReadCloser: answer.Body, host: r.URL.Host, ctx: ctx, end: cancel, idle: p.idle, came: p.came}
	comes.stalled = time.AfterFunc(p.idle, func() { cancel(p.stalled("sent")) })
	comes.stalled.Stop()
	answer.Body = comes
	return answer, nil
}

// waitAfter waits as long as an answer with 429 says (RFC 9110, 10.2.3), or until the request ends; not at all when that is long.
func waitAfter(ctx context.Context, answer *http.Response) {
	if answer.StatusCode != http.StatusTooManyRequests {
		return
	}
	var wait time.Duration
	after := answer.Header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(after, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(after); err == nil {
		wait = time.Until(at)
	}
	if wait > longestWait {
		return
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
}

// stalled is an error after which a request is tried again, as after a connection that was cut.
func (p patience) stalled(what string) error {
	return fmt.Errorf("nothing was %s for %s: %w", what, p.idle, io.ErrUnexpectedEOF)
}

// sending is the body of a request: between two reads the one before is on its way.
type sending struct {
	io.ReadCloser
	idle    time.Duration
	stalled *time.Timer
}

// Read implements io.Reader.
func (s *sending) Read(b []byte) (int, error) {
	s.stalled.Stop()
	n, err := s.ReadCloser.Read(b)
	s.stalled.Reset(s.idle)
	return n, err
}

// Close implements io.Closer.
func (s *sending) Close() error {
	s.stalled.Stop()
	return s.ReadCloser.Close()
}

// coming is the body of an answer.
type coming struct {
	io.ReadCloser
	host    string
	ctx     context.Context // of the request
	end     context.CancelCauseFunc
	idle    time.Duration
	stalled *time.Timer
	came    *atomic.Int64
}

// Read implements io.Reader.
func (c *coming) Read(b []byte) (int, error) {
	c.stalled.Reset(c.idle)
	n, err := c.ReadCloser.Read(b)
	c.stalled.Stop()
	c.came.Add(int64(n))
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	if c.ctx.Err() != nil {
		err = context.Cause(c.ctx)
	}
	return n, fmt.Errorf("read from %s: %w", c.host, err) // it may be sent on, and be an error of that
}

// Close implements io.Closer.
func (c *coming) Close() error {
	c.stalled.Stop()
	c.end(nil)
	return c.ReadCloser.Close()
}
