package pathmap

import (
	"context"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
)

const publishTimeout = 5 * time.Second

// announcements are heads that wait to be published.
type announcements struct {
	mu    sync.Mutex
	heads []cid.Cid
}

// announceHeads queues heads for the publisher. It never blocks: heads that a slow network
// does not carry are found by the exchange of heads.
func (m *Map) announceHeads(heads []cid.Cid) {
	if m.cfg.Swarm == nil || len(heads) == 0 {
		return
	}
	m.announce.mu.Lock()
	m.announce.heads = append(m.announce.heads, heads...)
	if n := len(m.announce.heads); n > maxHeads {
		m.announce.heads = m.announce.heads[n-maxHeads:]
	}
	m.announce.mu.Unlock()
	select {
	case m.outbox <- struct{}{}:
	default:
	}
}

// publisher sends queued heads. Of those that have accumulated only the last matters, because
// each local delta follows the previous one.
func (m *Map) publisher() {
	for {
		select {
		case <-m.outbox:
		case <-m.ctx.Done():
			return
		}
		m.announce.mu.Lock()
		heads := m.announce.heads
		m.announce.heads = nil
		m.announce.mu.Unlock()
		if len(heads) == 0 {
			continue
		}
		payload, err := encodeHeads(heads[len(heads)-1:])
		if err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(m.ctx, publishTimeout)
		if err := m.cfg.Swarm.Publish(ctx, withCounter(payload, m.greatest())); err != nil && m.ctx.Err() == nil {
			m.log.WithError(err).Debug("announcement not sent, the exchange of heads carries it")
		}
		cancel()
	}
}
