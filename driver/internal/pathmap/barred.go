package pathmap

import (
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// errWrongState reports that a state is not what its member said it would be.
var errWrongState = errors.New("the state that came is not the one that the member has")

// bar has the history of a member read whose state was wrong.
func (k *taking) bar(err error) {
	k.m.taken.bar(k.x.id, err)
	k.m.taken.pages = nil
	k.m.log.WithField("peer", k.x.id).WithError(err).Warn("a member's state of the path map does not add up: its history is read instead")
}

// barredFor is for how many intervals between comparisons the history of a member is read whose
// state could not be taken. It may be another one then, and a member that began with a state has no
// history.
const barredFor = 60

// maxBroken is how many attempts in succession may end among the names before a history is read: all
// that comes of it stays.
const maxBroken = 5

func (k *taking) barBroken(err error) {
	tk := &k.m.taken
	if tk.broken++; tk.broken >= maxBroken {
		tk.broken = 0
		k.m.taken.bar(k.x.id, err)
	}
}

// barring is since when, and why, the history of a member is read.
type barring struct {
	since time.Time
	why   string
}

// isBarred reports whether the history of a member is read now, and why.
func (m *Map) isBarred(id peer.ID) (why string, yes bool) {
	m.taken.mu.Lock()
	defer m.taken.mu.Unlock()
	b, ok := m.taken.barred[id]
	return b.why, ok && time.Since(b.since) < barredFor*m.cfg.ExchangeInterval
}

// bar has the history of a member read for a while.
func (tk *taken) bar(id peer.ID, why error) {
	tk.mu.Lock()
	defer tk.mu.Unlock()
	if tk.barred == nil {
		tk.barred = map[peer.ID]barring{}
	}
	tk.barred[id] = barring{time.Now(), why.Error()}
}

// forget drops members that are gone.
func (tk *taken) forget(here []peer.ID) {
	tk.mu.Lock()
	defer tk.mu.Unlock()
	forgetBut(tk.barred, here)
}

// asStranded tells of an exchange that met a cut once more, after the patience for that was over,
// whether that is because the member's state cannot be taken.
func (x *exchange) asStranded(err error) error {
	if !x.cut || !errors.Is(err, errBehindCut) {
		return err
	}
	if why, barred := x.m.isBarred(x.id); barred {
		return fmt.Errorf("%w: %s", errStranded, why)
	}
	if x.asked && !x.offers && !x.behind {
		return fmt.Errorf("%w: it offers none", errStranded)
	}
	return err
}
