package pathmap

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	ds "github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/peer"
)

// A version is a counter and a writer. A registry whose datastore was restored from a
// backup, or copied, would use counters again that others have seen with other values. So
// the writer is a peer ID and an incarnation of it, "<peer ID>.<8 letters and digits>",
// and a registry writes under a new one unless, since it started, all members that it knows
// have said that they have seen no newer write of it than its datastore knows.

// incarnationKey holds the incarnation under which this registry last wrote.
var incarnationKey = ds.NewKey("/paths/incarnation")

// OfOneRun reports whether a key of a datastore must not be restored with a backup: without the
// incarnation, the next write is under a new one.
func OfOneRun(key string) bool { return key == incarnationKey.String() }

// writerSize bounds what the writer in a key adds to the peer ID: the dot and the
// incarnation.
const writerSize = 9

// newIncarnation is 40 random bits: enough for one peer ID.
func newIncarnation() string {
	b := make([]byte, 5)
	_, _ = rand.Read(b) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(b))
}

// peerOf is the peer ID in a writer. Writers of older releases have no incarnation.
func peerOf(writer string) string {
	id, _, _ := strings.Cut(writer, ".")
	return id
}

// incarnation is the one under which this registry writes, and whether the members have
// vouched for it.
type incarnation struct {
	mu      sync.Mutex
	name    string           // the one written under last; "": none yet
	settled bool             // the incarnation is on disk, and this run may write under it
	own     uint64           // greatest counter that this registry can have used
	foreign uint64           // greatest counter of its writes that others know of and it does not
	heard   map[peer.ID]bool // members that know of no newer write of this registry
}

// open reads the incarnation. No write of this registry that its datastore knows has a
// counter beyond opened.
func (i *incarnation) open(m *Map, opened uint64) error {
	b, err := m.ledger.Get(m.ctx, incarnationKey)
	if err != nil && !errors.Is(err, ds.ErrNotFound) {
		return fmt.Errorf("load path map: %w", err)
	}
	i.name, i.own, i.heard = string(b), opened, map[peer.ID]bool{}
	return nil
}

// hear takes the greatest counter of a write of this registry that a member has seen.
func (i *incarnation) hear(id peer.ID, written uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if written <= max(i.own, i.foreign) {
		i.heard[id] = true
		return
	}
	i.foreign = written
	i.doubt()
}

// doubt makes the next write take a new incarnation. i.mu is held.
func (i *incarnation) doubt() {
	i.settled, i.name = false, ""
	clear(i.heard)
}

// merged notes a version that came from others: a version by this registry's own writer
// that it never made means that the registry runs twice, or that an older copy of its
// datastore was restored.
func (i *incarnation) merged(self string, v version) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.name != "" && v.counter > i.own && v.writer == writerOf(self, i.name) {
		i.foreign = max(i.foreign, v.counter)
		i.doubt()
	}
}

// writer is the writer of the versions that this registry makes at present; false while that
// is not decided.
func (i *incarnation) writer(self string) (string, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return writerOf(self, i.name), i.name != ""
}

// greatest is no less than the greatest counter of this registry's versions.
func (i *incarnation) greatest() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.own
}

func writerOf(self, incarnation string) string { return self + "." + incarnation }

// writerName is the writer of the versions that the requests make; "" when they only
// delete. What it decides is stored in the transaction of the write; m.lock is held.
func (m *Map) writerName(group []*writeRequest) (string, error) {
	if !slices.ContainsFunc(group, (*writeRequest).adds) {
		return "", nil
	}
	i := &m.incarnation
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.settled {
		return writerOf(m.cfg.Self, i.name), nil
	}
	if i.name == "" || !m.vouched() {
		i.name = m.cfg.NewIncarnation()
	}
	if err := m.ledger.Put(m.ctx, incarnationKey, []byte(i.name)); err != nil {
		return "", err
	}
	return writerOf(m.cfg.Self, i.name), nil
}

// vouched reports whether every known member has said that it knows of no write of this
// registry beyond those in the datastore; false when no member is known. incarnation.mu is
// held.
func (m *Map) vouched() bool {
	if m.cfg.Swarm == nil {
		return false
	}
	n := 0
	for _, id := range m.cfg.Swarm.Known() {
		if !m.cfg.Swarm.Trusts(id) {
			continue
		}
		if n++; !m.incarnation.heard[id] {
			return false
		}
	}
	return n > 0
}

// wrote notes that a delta whose versions go up to counter is on disk. What was decided for
// it stands, unless it was put in doubt meanwhile.
func (i *incarnation) wrote(writer string, counter uint64) {
	if writer == "" {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.settled, i.own = i.name != "", max(i.own, counter)
}
