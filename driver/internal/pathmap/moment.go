package pathmap

import (
	"context"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"
)

// Moment is the greatest counter of a registry's versions that the swarm knows of: of this registry, and of all
// trusted members that say so until ctx ends. The registry itself is not asked. Its changes may be merged
// elsewhere and not here yet.
func (m *Map) Moment(ctx context.Context, writer peer.ID) uint64 {
	greatest := m.writtenBy(writer.String())
	if m.cfg.Swarm == nil {
		return greatest
	}
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(maxAsked)
	for _, id := range m.trusted() {
		if id == writer {
			continue
		}
		g.Go(func() error {
			counter, err := m.askWritten(ctx, id, writer.String())
			if err != nil {
				m.log.WithField("peer", id).WithError(err).Debug("a member does not say what it has of another one")
			}
			mu.Lock()
			defer mu.Unlock()
			greatest = max(greatest, counter)
			return nil
		})
	}
	_ = g.Wait()
	return greatest
}

// askWritten asks a member what it has of a writer; 0 where it does not say, or says what cannot be.
func (m *Map) askWritten(ctx context.Context, id peer.ID, writer string) (uint64, error) {
	x, err := m.dial(ctx, id)
	if err != nil {
		return 0, err
	}
	defer x.close()
	a, err := x.ask(request{Op: opHeads, Run: m.nonce, Writer: writer})
	if err != nil || a.Writer == nil || *a.Writer > m.greatest() { // what it has seen it has told, with its heads
		return 0, err
	}
	return *a.Writer, nil
}
