package summary

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// AskTime is how long a member may take for its answer.
const AskTime = 5 * time.Second

// ErrSilent reports that a member gave no answer in time.
var ErrSilent = fmt.Errorf("gave no answer within %s", AskTime)

// Ask asks a member how it is, and waits for the answer for AskTime at most. Errors are ErrSilent,
// ErrStranger, ErrBusy and ErrLied, or what broke the connection.
func (s *Summaries) Ask(ctx context.Context, id peer.ID) (Summary, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, AskTime, ErrSilent)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	began := time.Now()
	b, err := s.exchange(ctx, id)
	took := time.Since(began)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return Summary{}, cause // what failed is how it ended
	}
	if err != nil {
		return Summary{}, fmt.Errorf("ask how it is: %w", err)
	}
	got, err := read(b)
	got.Heard, got.Took = began.Add(took/2), took
	return got, err
}

func (s *Summaries) exchange(ctx context.Context, id peer.ID) (b []byte, err error) {
	conn, err := s.swarm.Dial(ctx, id, Protocol)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := io.WriteString(conn, "{}\n"); err != nil {
		return nil, err
	}
	b, err = io.ReadAll(io.LimitReader(conn, MaxSize+1))
	if err == nil && len(b) == 0 {
		err = errUnanswered
	}
	return b, err
}

var errUnanswered = errors.New("it ended the connection without an answer: it may be busy")
