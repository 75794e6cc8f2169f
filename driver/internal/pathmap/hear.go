package pathmap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

var (
	// ErrBusy reports that requests which began before have not ended in time.
	ErrBusy = errors.New("pushes are still under way: ask again")
	// ErrCannotLapse reports a member of a release that does not know what to let lapse is.
	ErrCannotLapse = errors.New("its release does not take part in garbage collection: upgrade it")
)

// Hear hears a trusted member to the end. When it returns without an error then, at some
// moment after the call, the member relied on no version of its own up to counter any more,
// all requests that had begun before had ended, and all that the member had written or
// merged by then is merged here. A member of another run, later, relies on none of them
// either. The error is ErrBusy or ErrCannotLapse, of the network, or of merging.
//
// A counter of 0 lets nothing lapse. It waits for requests under way until ctx ends, but no
// longer than a minute; merging a long history may take longer.
func (m *Map) Hear(ctx context.Context, id peer.ID, counter uint64) error {
	if m.cfg.Swarm == nil || !m.cfg.Swarm.Trusts(id) {
		return fmt.Errorf("hear %s: it is not trusted", id)
	}
	x, err := m.dial(ctx, id)
	if err != nil {
		return err
	}
	defer x.close()
	a, err := x.lapse(ctx, counter)
	if err == nil {
		err = m.mergeHeads(ctx, x, a)
	}
	if err != nil {
		return fmt.Errorf("hear %s: %w", id, err)
	}
	return nil
}

// MergeAll merges all that a trusted member has merged. Unlike Hear it waits for none of the requests that the member
// is answering. Errors are of the network, or of merging.
func (m *Map) MergeAll(ctx context.Context, id peer.ID) error {
	x, heads, err := m.headsOf(ctx, id)
	if err != nil {
		return err
	}
	defer x.close()
	return m.mergeHeads(ctx, x, answer{Heads: heads})
}

// lapse asks until the requests have ended that the member was answering at first.
func (x *exchange) lapse(ctx context.Context, counter uint64) (answer, error) {
	began := time.Now()
	for req := (request{Op: opHeads, Run: x.m.nonce, Lapse: &counter}); ; {
		a, err := x.ask(req)
		switch {
		case err != nil:
			return a, err
		case a.Lapsed == nil:
			return a, ErrCannotLapse
		case *a.Lapsed:
			return a, nil
		case ctx.Err() != nil || time.Since(began) > hearTime:
			return a, ErrBusy
		}
		req.Ticket = a.Ticket
	}
}

func (m *Map) mergeHeads(ctx context.Context, x *exchange, a answer) error {
	err := m.followAll(ctx, x, a.Heads)
	if errors.Is(err, errBadDelta) {
		m.refuses(x.id, err)
	}
	if err != nil {
		return err
	}
	unknown, err := m.unknownHeads(a.Heads)
	if err == nil && len(unknown) > 0 {
		err = ErrBehind
	}
	return err
}
