package transfer

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// fanout is how many registries are sent the leaf that each of them needs first;
	// the others get it from them, as many from each.
	fanout = 2
	// maxRelays is how many of those whom a holder names are asked.
	maxRelays = 8
	// relaysHeader is a list of peer IDs, whom to ask first coming first.
	relaysHeader = "Blob-Relays"
)

// relays says who gives a leaf on to whom, where many ask for it who have nothing of
// the blob yet: they stand in a tree, in the order in which they asked. So what the
// one whom they asked sends does not grow with their number.
type relays struct {
	lasts time.Duration // a tree
	mu    sync.Mutex
	trees map[place]*tree
}

// place is a leaf of a blob.
type place struct {
	root cid.Cid
	leaf int
}

type tree struct {
	born time.Time
	ids  []peer.ID // the parent of i is i/fanout-1; the first fanout have none
}

func newRelays(lasts time.Duration) *relays {
	return &relays{lasts: lasts, trees: map[place]*tree{}}
}

// above gives those who can give a leaf to id, its parent first and then theirs.
// Nobody: it gets the leaf here.
func (r *relays) above(at place, id peer.ID) (ids []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.trees, func(_ place, t *tree) bool { return time.Since(t.born) > r.lasts })
	t := r.trees[at]
	if t == nil {
		t = &tree{born: time.Now()}
		r.trees[at] = t
	}
	i := slices.Index(t.ids, id)
	if i < 0 {
		i, t.ids = len(t.ids), append(t.ids, id)
	}
	for i >= fanout {
		i = i/fanout - 1
		ids = append(ids, t.ids[i])
	}
	return ids
}

// relayed answers a request for a first leaf with those who have it earlier, if there
// are some.
func (t *Transfers) relayed(w http.ResponseWriter, r *http.Request, c cid.Cid) bool {
	from, ok := rangeStart(r)
	id, err := peer.Decode(r.RemoteAddr)
	if !ok || err != nil {
		return false
	}
	above := t.relays.above(place{c, leafAt(from)}, id)
	if len(above) == 0 {
		return false
	}
	names := make([]string, len(above))
	for i, id := range above {
		names[i] = id.String()
	}
	w.Header().Set(relaysHeader, strings.Join(names, ","))
	http.Error(w, "others have it earlier", http.StatusMultipleChoices)
	return true
}

// relayedError is the answer of a holder that names who has a first leaf earlier.
type relayedError struct{ ids []peer.ID }

// Error implements error.
func (e *relayedError) Error() string { return fmt.Sprintf("names %d others to ask", len(e.ids)) }

func readRelays(resp *http.Response) *relayedError {
	e := new(relayedError)
	names := strings.SplitN(resp.Header.Get(relaysHeader), ",", maxRelays+1)
	for _, name := range names[:min(len(names), maxRelays)] {
		if id, err := peer.Decode(name); err == nil {
			e.ids = append(e.ids, id)
		}
	}
	return e
}

// firstLeaf receives a leaf of which nothing is here yet: from the run's holder, or
// from those whom that names, who wait for it themselves perhaps; and from the holder
// after all where they fail, or have nothing for too long. The run that it returns is
// of whom the bytes are, or who failed last.
func (j *job) firstLeaf(r *run, from int64, buf []byte) (*run, error) {
	holder, until := r.id, time.Now().Add(j.t.pace.relay)
	err := j.inPieces(r, from, buf, ifFirst)
	var relayed *relayedError
	if !errors.As(err, &relayed) {
		return r, err
	}
	err = nil // it is no failure of the holder's
	for ids := j.members(relayed.ids); len(ids) > 0 && time.Now().Before(until); {
		id := ids[0]
		j.roster.meet(id)
		r = j.hand(r, id, err)
		err = j.inPieces(r, from, buf, whenHere)
		if err == nil || j.ctx.Err() != nil || errors.Is(err, errOvertaken) {
			return r, err
		}
		ids = ids[1:]
		if errors.Is(err, errNotYet) && time.Since(r.began) > j.t.pace.ask/2 {
			ids = append(ids, id) // it waited, and may have it soon
		}
	}
	r = j.hand(r, holder, err)
	return r, j.inPieces(r, from, buf, anyway)
}

// members are those of some who are connected and not known to have a bad copy.
func (j *job) members(ids []peer.ID) []peer.ID {
	connected := j.t.cfg.Swarm.Connected()
	return slices.DeleteFunc(ids, func(id peer.ID) bool {
		return !slices.Contains(connected, id) || j.t.grudges.holds(id, j.ref.CID)
	})
}

// hand gives a run to another holder; err is how the one before failed, if it did.
func (j *job) hand(r *run, id peer.ID, err error) *run {
	j.settle(j.ctx, r.id, err)
	j.roster.take(id)
	return j.plan.hand(r, id, j.t.pace.ask)
}
