package peer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ipfs/go-datastore"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

const (
	// beatEvery is how often each member sends a heartbeat, on average. Who is here is known
	// from the connections, a newcomer's from its hello, and a change is sent at once: the
	// rest is how much room there is, and what was lost on the way.
	beatEvery = 10 * time.Second
	beatGap   = time.Second // at least, from one heartbeat to the next
	maxBeats  = 10          // of one author that are read at once; in the long run one in each beatGap
)

// Changing is that part of a registry's heartbeats which changes while it runs.
type Changing struct {
	Free     int64  // bytes free on its disk
	NoRoom   Amount // copies that it is to keep and has no room for
	Draining bool   // it is to be switched off for good
	Drained  bool   // it is draining, and others have all that it had
}

// runKey holds the number of this peer's last run.
var runKey = datastore.NewKey("/peer/run")

// beats numbers this peer's heartbeats.
type beats struct {
	mu       sync.Mutex
	run, seq int64
	soon     chan struct{} // something has changed
}

// heartbeat is this peer's next one; nil when it sends none.
func (p *Peer) heartbeat() json.RawMessage {
	if p.cfg.Changing == nil {
		return nil
	}
	p.beats.mu.Lock()
	defer p.beats.mu.Unlock()
	now, noRoom := p.cfg.Changing(), (*Amount)(nil) // under the lock, so that a later heartbeat says nothing earlier
	if now.NoRoom.Blobs > 0 {
		noRoom = &now.NoRoom
	}
	p.beats.seq++
	b, err := json.Marshal(heartbeatMsg{
		Format: heartbeatVersion, Run: p.beats.run, Seq: p.beats.seq,
		Name: p.cfg.Name, Version: p.cfg.Version, Caps: p.cfg.Capabilities, Zone: p.cfg.Zone,
		Capacity: &p.cfg.Capacity, Free: now.Free, NoRoom: noRoom, Draining: now.Draining, Drained: now.Drained,
		Trust: p.roster.lists.digest(), Keys: p.KeyFingerprints(),
	})
	if err != nil {
		p.log.WithError(err).Error("cannot encode a heartbeat")
		return nil
	}
	return b
}

// beginRun gives this run a number that is greater than those of all runs before: also when the
// clock was set back, or an old copy of the datastore was put in place, or the number cannot be
// written down, as on a full disk.
func (p *Peer) beginRun() error {
	last, err := p.cfg.Store.Get(p.ctx, runKey)
	if err != nil && !errors.Is(err, datastore.ErrNotFound) {
		return fmt.Errorf("read datastore: %w", err)
	}
	run := nextRun(string(last), time.Now())
	if err := p.cfg.Store.Put(p.ctx, runKey, []byte(strconv.FormatInt(run, 10))); err != nil {
		p.log.WithError(err).Debug("number of this run not written down")
	}
	p.beats.mu.Lock()
	defer p.beats.mu.Unlock()
	p.beats.run, p.beats.seq = run, 0
	return nil
}

func nextRun(last string, now time.Time) int64 {
	n, _ := strconv.ParseInt(last, 10, 64) // 0 if it cannot be read
	return max(n+1, now.Unix())
}

// Changed says that what Config.Changing returns has changed: members are told at once.
func (p *Peer) Changed() {
	select {
	case p.beats.soon <- struct{}{}:
	default: // it is to be sent anyway
	}
}

// keepBeating sends heartbeats.
func (p *Peer) keepBeating() {
	beat(p.ctx, p.beats.soon, func() {
		b := p.heartbeat()
		if b == nil {
			return
		}
		if err := p.topic.beats.Publish(p.ctx, b); err != nil && p.ctx.Err() == nil {
			p.log.WithError(err).Debug("a heartbeat was not sent")
		}
	})
}

// beat calls send from time to time, and soon after a change.
func beat(ctx context.Context, soon <-chan struct{}, send func()) {
	for {
		due := time.NewTimer(beatEvery*9/10 + rand.N(beatEvery/5)) // not all members at once
		select {
		case <-due.C:
		case <-soon:
		case <-ctx.Done():
			return
		}
		due.Stop()
		send()
		select {
		case <-time.After(beatGap):
		case <-ctx.Done():
			return
		}
	}
}

// validateBeat notes a heartbeat, which is judged by its author, as in validate. It is not
// passed on: members are connected with all members, so that its author sends it to each
// itself; passing it on would cost several times as much.
func (p *Peer) validateBeat(_ context.Context, _ peer.ID, m *pubsub.Message) pubsub.ValidationResult {
	from := m.GetFrom()
	if from == p.ID() {
		return pubsub.ValidationAccept
	}
	if p.Trusts(from) {
		p.hear(from, m.Data)
	}
	return pubsub.ValidationIgnore
}

func (p *Peer) hear(from peer.ID, data []byte) {
	if known, often := p.roster.mayBeat(from); !known || often {
		if often && p.once.first("heartbeats", from.String()) {
			p.about(from).Warn("this member sends too many heartbeats: most of them are ignored")
		}
		return
	}
	m, err := readHeartbeat(data)
	if err != nil {
		if p.once.first("heartbeat", from.String()) {
			p.about(from).WithError(err).Debug("heartbeat not understood")
		}
		return
	}
	p.roster.beat(from, m, time.Now())
}

// firstHand is the heartbeat in a peer's hello; nil when there is none, or it does not count.
func (p *Peer) firstHand(id peer.ID, raw json.RawMessage) *heartbeatMsg {
	if len(raw) == 0 || !p.Trusts(id) {
		return nil
	}
	m, err := readHeartbeat(raw)
	if err != nil {
		p.about(id).WithError(err).Debug("heartbeat in a hello not understood")
		return nil
	}
	return m
}

// mayBeat reports whether a peer has been a member, and whether it has sent too many heartbeats
// of late.
func (r *roster) mayBeat(id peer.ID) (known, often bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	if e == nil || !e.known {
		return false, false // its hello is about to come
	}
	if e.pace == nil {
		e.pace = rate.NewLimiter(rate.Every(beatGap), maxBeats)
	}
	return true, !e.pace.Allow()
}

// beat notes a member's heartbeat, unless it is old: sent again, or overtaken.
func (r *roster) beat(id peer.ID, m *heartbeatMsg, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.records[id]; e != nil && e.known && m.after(e.beat) {
		e.note(m, now)
	}
}

// saidBeat notes the heartbeat in a member's hello, or that there is none: the member may be of
// an earlier release now. Hellos come from the member itself, now, so that another run counts
// whatever its number. r.mu is held.
func (e *entry) saidBeat(m *heartbeatMsg, now time.Time) {
	switch {
	case m != nil && e.beat != nil && m.Run == e.beat.Run && !m.after(e.beat):
	case m != nil:
		e.note(m, now)
	case e.beat != nil:
		e.beat, e.heard, e.unsaved = nil, time.Time{}, true
	}
}

// note takes a heartbeat for the member's last. tidy writes it down, if it says anything new.
func (e *entry) note(m *heartbeatMsg, now time.Time) {
	if !m.sameFacts(e.beat) || m.Name != e.name || !slices.Equal(m.Caps, e.capabilities) {
		e.unsaved = true
	}
	e.beat, e.heard, e.name, e.capabilities = m, now, m.Name, m.Caps
	e.trust = cmp.Or(m.Trust, e.trust)
}
