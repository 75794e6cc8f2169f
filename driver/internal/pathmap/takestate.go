package pathmap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/peer"
)

// takingKey is there while versions of a state may be on disk that is not whole. They are those
// that deltas added which are neither merged here nor behind a cut: nobody sees them.
var takingKey = ds.NewKey("/paths/taking")

// taken is what came of a state so far. Who has the turn to read a history uses it, alone; it
// outlives an exchange, so that the next one, with any member, goes on.
type taken struct {
	begun  bool // something of a state may be on disk
	pages  []takenPage
	staged *snapshot           // versions that are on disk and that nobody sees yet
	here   map[digest]struct{} // versions that came and of which the delta is merged here, too
	stale  atomic.Bool         // something was merged since: staged may have been deleted
	broken int                 // attempts that ended among the names, which begin anew each time
	barred map[peer.ID]barring // those whose history is read, not their state

	mu   sync.Mutex
	now  *StateProgress
	done StateCounts
}

type takenPage struct {
	hadPage
	versions int
	here     []digest // those of taken.here that came with it
}

// StateProgress is how far this registry is in taking the state of a member.
type StateProgress struct {
	From  peer.ID
	Since time.Time
	Paths int // that came, or were here from an attempt before
	Of    int
}

// StateCounts are how many states were taken and given.
type StateCounts struct {
	Taken, Broken int // states that were taken; attempts that ended before that
	Given         int
}

// Taking is how far this registry is in taking a state; false when it takes none now.
func (m *Map) Taking() (StateProgress, bool) {
	m.taken.mu.Lock()
	defer m.taken.mu.Unlock()
	if m.taken.now == nil {
		return StateProgress{}, false
	}
	return *m.taken.now, true
}

// States counts states since Open.
func (m *Map) States() StateCounts {
	m.taken.mu.Lock()
	defer m.taken.mu.Unlock()
	return m.taken.done
}

func (m *Map) gave(err error) {
	if err != nil {
		return
	}
	m.taken.mu.Lock()
	defer m.taken.mu.Unlock()
	m.taken.done.Given++
}

// cutPatience is for how many intervals between comparisons this registry lacks what a member named
// before it takes the state of one that has not got the history: another one may have it.
const cutPatience = 10

// takesState reports whether the member's state is to be taken in place of its history: because this
// registry began with nothing, and has caught up with nobody, or because the member has not got the
// history, and nobody else has been giving it for a while.
func (x *exchange) takesState() (bool, error) {
	m := x.m
	joining := m.newcomer && !m.firstHeads.caught.happened()
	if _, barred := m.isBarred(x.id); barred || !x.cut && !joining {
		return false, nil
	}
	if !x.asked {
		if _, err := x.heads(); err != nil {
			return false, err
		}
	}
	return x.offers, nil
}

// meetsCut notes that the member has not got the history that was asked for; false when it is asked
// again another time.
func (x *exchange) meetsCut(err error) bool {
	if x.cut || !errors.Is(err, errBehindCut) {
		return false
	}
	since, ok := x.m.lagging.of(x.id)
	x.cut = ok && time.Since(since) > cutPatience*x.m.cfg.ExchangeInterval
	return x.cut
}

// whole reads all that the member has: its state, or else its history.
func (x *exchange) whole(t *turn, heads []cid.Cid) error {
	ok, err := x.takesState()
	if err != nil {
		return err
	}
	if ok {
		err = x.state(t)
		if !errors.Is(err, errGivesNone) {
			return err
		}
		x.m.log.WithField("peer", x.id).WithError(err).Debug("its history is read instead")
		x.m.taken.bar(x.id, err)
		if err := x.dialAnew(t.ctx); err != nil {
			return err
		}
	}
	return x.history(t, heads)
}

// taking is one attempt.
type taking struct {
	x     *exchange
	t     *turn
	m     *Map
	head  stateHead
	zip   codec
	label string

	adopted  bool                // it was tried to make it a part of the map: it may be whole on disk
	gone     map[digest]struct{} // versions that are here and were deleted at the member
	drops    bool                // something is written of what it deletes
	pages    []takenPage         // those of this attempt
	here     []digest            // of the page that comes
	from     string              // place up to which versions came
	rest     bool
	versions int
	total    digest
	names    int
	highest  uint64 // priority among the names
	deltas   digest
	blocks   []*delta // the heads
}

// state takes the member's state. What came stays for the next attempt.
func (x *exchange) state(t *turn) error {
	k := &taking{x: x, t: t, m: x.m, label: newLabel()}
	defer k.zip.close()
	err := k.begin()
	if err == nil {
		err = k.read()
	}
	if err == nil {
		err = k.readHeads()
	}
	if err == nil {
		err = k.compare()
	}
	came := err == nil
	if came {
		err = k.m.adopt(k)
	}
	k.end(err)
	if errors.Is(err, errWrongState) {
		k.bar(err)
	}
	if err != nil && k.rest && !came {
		k.barBroken(err)
	}
	if err != nil {
		return fmt.Errorf("take its state: %w", err)
	}
	return nil
}

// begin asks for the state.
func (k *taking) begin() error {
	tk := &k.m.taken
	if tk.stale.Swap(false) || tk.staged == nil {
		tk.pages, tk.staged, tk.here = nil, newSnapshot(), map[digest]struct{}{}
	}
	clear(tk.here) // pages that came before bring theirs again
	req := request{Op: opState}
	req.Had = hadOf(tk.pages)
	alive(k.x.conn)
	if err := writeJSON(k.x.conn, req); err != nil {
		return err
	}
	frame, err := k.frame(maxSaid + maxWritten)
	if err != nil {
		return err
	}
	var refused statePage
	if err := json.Unmarshal(frame, &refused); err != nil {
		return err
	}
	if err := refused.refusal(); err != nil {
		return err
	}
	if err := json.Unmarshal(frame, &k.head); err != nil {
		return err
	}
	if err := k.head.check(); err != nil {
		return err
	}
	tk.mu.Lock()
	tk.now = &StateProgress{From: k.x.id, Since: time.Now(), Of: k.head.Paths}
	tk.mu.Unlock()
	k.m.log.WithField("peer", k.x.id).WithField("paths", k.head.Paths).Info("taking the state of the path map from a member")
	return k.m.noteTaking()
}

// hadOf names the first pages, as many as a request has room for.
func hadOf(pages []takenPage) (had hadPages) {
	room := maxSaid - 1<<10
	for _, p := range pages[:min(len(pages), maxHad)] {
		b, err := json.Marshal(p.hadPage)
		if room -= len(b) + 1; err != nil || room < 0 {
			break
		}
		had = append(had, p.hadPage)
	}
	return had
}

// maxWritten is room for the writers of a large swarm, beside heads.
const maxWritten = 1 << 20

func (p statePage) refusal() error {
	switch {
	case p.Error == "":
		return nil
	case p.Busy:
		return fmt.Errorf("%w: %s", errGivesOthers, clip(p.Error))
	}
	return fmt.Errorf("%w: %s", errGivesNone, clip(p.Error))
}

// end notes what came of an attempt.
func (k *taking) end(err error) {
	tk := &k.m.taken
	tk.mu.Lock()
	was := tk.now
	tk.now = nil
	if err == nil {
		tk.done.Taken++
	} else if was != nil {
		tk.done.Broken++
	}
	tk.mu.Unlock()
	if err == nil {
		k.m.log.WithField("peer", k.x.id).WithField("paths", k.head.Paths).WithField("took", time.Since(was.Since).Round(time.Millisecond).String()).
			Info("the state of the path map is here, and checked")
		tk.pages, tk.staged, tk.here, tk.begun, tk.broken = nil, nil, nil, false, 0
		return
	}
	k.keepPages()
	if (k.names > 0 || k.drops) && !k.adopted { // else mend knows whether it is there
		k.m.run(func() { k.m.logDrop(k.m.forgetState(k.label)) })
	}
	if was != nil && k.m.ctx.Err() == nil {
		k.m.log.WithField("peer", k.x.id).WithField("paths", was.Paths).WithError(err).Debug("taking the state ended early, it goes on later")
	}
}

// keepPages leaves what came to the next attempt: the pages of this one, and those of an attempt
// before that lie behind where it ended. One in the middle of which it ended is named by no digest:
// it is sent anew.
func (k *taking) keepPages() {
	tk := &k.m.taken
	pages := k.pages
	for _, p := range tk.pages {
		if !k.rest && p.End > k.from {
			if len(pages) == len(k.pages) && k.from != "" {
				p.Digest = nil
			}
			pages = append(pages, p)
		}
	}
	tk.pages, tk.begun = pages, true
}

// frame reads one, however long the member takes within stallLimit.
func (k *taking) frame(most uint64) ([]byte, error) {
	defer k.t.wait()()
	alive(k.x.conn)
	b, err := readFrame(k.x.r, most)
	if err != nil {
		return nil, err
	}
	k.t.got(len(b))
	k.m.firstHeads.answered()
	return b, nil
}

// read takes page after page until the one with the sums.
func (k *taking) read() error {
	for {
		if err := context.Cause(k.t.ctx); err != nil {
			return err
		}
		b, err := k.frame(maxSaid)
		if err != nil {
			return err
		}
		var p statePage
		if err := json.Unmarshal(b, &p); err != nil {
			return err
		}
		if err := p.refusal(); err != nil {
			return err
		}
		switch {
		case p.Sum != nil:
			return k.check(p.Sum)
		case k.rest:
			err = k.takeNames(p)
		default:
			err = k.takeVersions(p)
		}
		if err != nil {
			return err
		}
		k.m.firstHeads.answered()
	}
}

// check compares what came with what should have come.
func (k *taking) check(s *stateSum) error {
	switch {
	case !k.rest || s.Versions != k.versions || string(s.Digest) != string(k.total[:]):
		return fmt.Errorf("%w: %d versions of %d, or others", errWrongState, k.versions, s.Versions)
	case s.Names != k.names || string(s.Deltas) != string(k.deltas[:]):
		return fmt.Errorf("%w: the names of %d changes of %d, or others", errWrongState, k.names, s.Names)
	case k.highest > uint64(k.names): // each change has one of the priority before among its ancestors
		return fmt.Errorf("%w: a change of priority %d among %d", errWrongState, k.highest, k.names)
	case k.head.Counter/maxJump > uint64(k.names): // nor would a history be taken that jumps so
		return fmt.Errorf("%w: counter %d after %d changes", errWrongState, k.head.Counter, k.names)
	}
	return nil
}

// takeVersions takes the next page of versions.
func (k *taking) takeVersions(p statePage) error {
	if p.Rest != (p.End == "") || !p.Rest && p.End <= k.from || len(p.End) > maxEnd || p.Versions < 0 {
		return fmt.Errorf("%w: a page of the state that ends at %q after %q", errProtocol, clip(p.End), clip(k.from))
	}
	var page takenPage
	var err error
	switch {
	case p.Same:
		page, err = k.same(p)
	default:
		page, err = k.takePage(p)
	}
	if err != nil {
		return err
	}
	k.pages = append(k.pages, page)
	if p.Rest {
		k.pages = k.pages[:len(k.pages)-1] // the last page has no end by which it could be named
	}
	k.from, k.rest = p.End, p.Rest
	k.total.add(page.Digest)
	k.versions += page.versions
	tk := &k.m.taken
	tk.mu.Lock()
	tk.now.Paths = min(k.versions, tk.now.Of)
	tk.mu.Unlock()
	return nil
}

// same is a page that came in an attempt before. It began where that one does.
func (k *taking) same(p statePage) (takenPage, error) {
	before := ""
	for _, had := range k.m.taken.pages {
		if had.End == p.End && before == k.from && had.versions == p.Versions {
			k.m.taken.cameHere(had.here)
			return had, nil
		}
		before = had.End
	}
	return takenPage{}, fmt.Errorf("%w: a page that this registry does not have", errProtocol)
}

// cameHere notes versions that came with a page.
func (tk *taken) cameHere(marks []digest) {
	for _, mark := range marks {
		tk.here[mark] = struct{}{}
	}
}

// takePage reads a page, and stores what is not here.
func (k *taking) takePage(p statePage) (page takenPage, err error) {
	var versions []stateVersion
	if p.Versions > 0 {
		b, err := k.frame(maxStatePage)
		if err != nil {
			return page, err
		}
		if versions, err = k.zip.decode(b); err != nil {
			return page, err
		}
	}
	if len(versions) != p.Versions {
		return page, fmt.Errorf("%w: %d versions in a page of %d", errProtocol, len(versions), p.Versions)
	}
	var sum digest
	last := k.from
	for _, v := range versions {
		if place := v.place(); place <= last || !p.Rest && place > p.End || v.counter > k.head.Counter {
			return page, fmt.Errorf("%w: version %q does not belong into its page, or has a counter beyond %d", errProtocol, clip(v.key), k.head.Counter)
		}
		last = v.place()
		sum.addVersion(v.key, string(v.value))
	}
	k.here = nil
	if err := k.store(p.End, versions); err != nil {
		if !errors.Is(err, errGivesNone) && !errors.Is(err, errWrongState) {
			err = fmt.Errorf("%w: %w", errNotStored, err)
		}
		return page, err
	}
	k.m.taken.cameHere(k.here)
	return takenPage{hadPage{p.End, sum[:]}, len(versions), k.here}, nil
}

// nameKey is where the name of a delta in the past of the state is kept.
func (k *taking) nameKey(id string) ds.Key { return dsKey(underLabel(k.label) + id) }

// takeNames takes the next page of names.
func (k *taking) takeNames(p statePage) error {
	if p.Names <= 0 {
		return fmt.Errorf("%w: a page of %d names", errProtocol, p.Names)
	}
	page, err := k.frame(namesPageBytes + 64)
	if err != nil {
		return err
	}
	n := 0
	err = k.m.inOne(func(txn ds.Txn) error {
		err := eachName(page, func(digest []byte, id string, priority uint64) error {
			k.deltas.add(digest)
			n++
			k.highest = max(k.highest, priority)
			return txn.Put(k.m.ctx, k.nameKey(id), appendUvarint(priority))
		})
		if err == nil && n != p.Names {
			err = fmt.Errorf("%w: %d names in a page of %d", errProtocol, n, p.Names)
		}
		return err
	})
	if err != nil && !errors.Is(err, errProtocol) {
		err = fmt.Errorf("%w: %w", errNotStored, err)
	}
	if err != nil {
		return err
	}
	k.names += n
	return nil
}
