package pathmap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/ipfs/go-ds-crdt/pb"
)

// Where go-ds-crdt keeps the elements of its set, each below the key and with the ID of the delta
// that added it, and its heads.
var (
	elemKeys = crdtKey.ChildString("s").ChildString("s").String()
	headKeys = crdtKey.ChildString("h").String()
)

func dsKey(key string) ds.Key { return ds.RawKey(key) }

func uvarint(b []byte) (uint64, error) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, errBadDelta
	}
	return v, nil
}

// maxSkipped is how many elements are read without a word to the member.
const maxSkipped = 50_000

// giving is a state on its way to a member.
type giving struct {
	m    *Map
	conn *answering
	w    *bufio.Writer
	cut  *cut
	had  hadPages
	zip  codec

	page    pb.Delta
	size    int
	digest  digest // of the page
	fresh   bool   // the page began where one of had began
	lastKey string // of the last live version
	last    string // place of its last element
	skipped int    // elements since the last page that are not alive
	sent    int    // pages of versions that the member did not have
	sum     stateSum
	total   digest // of the versions, and then of the names
}

// giveState sends the state at one cut to a member. It takes more than an answer of the history, so one
// that is not trusted gets it only where there is no history to read, and only one of these at a time.
func (m *Map) giveState(a *answering, had hadPages) error {
	id := m.cfg.Swarm.Remote(a.Conn)
	if id == "" { // it is on its way to become one
		return writeJSON(a, statePage{Error: "it does not know this member yet", Busy: true})
	}
	if !m.cfg.Swarm.Trusts(id) && !m.lacksHistory() {
		return writeJSON(a, statePage{Error: errGivesNone.Error()})
	}
	c, err := m.openCut(id)
	if err != nil {
		return writeJSON(a, statePage{Error: err.Error(), Busy: errors.Is(err, errGivesOthers)})
	}
	defer m.closeCut(id)
	g := &giving{m: m, conn: a, w: bufio.NewWriterSize(a, 32<<10), cut: c, had: had, fresh: true}
	defer g.zip.close()
	m.log.WithField("peer", id).WithField("paths", c.view.paths.Len()).Debug("a member takes the state of the map")
	err = g.send()
	m.gave(err)
	if errors.Is(err, errGivesNone) || errors.Is(err, errGivesOthers) {
		return g.write(statePage{Error: err.Error(), Busy: errors.Is(err, errGivesOthers)}, nil)
	}
	return err
}

func (g *giving) send() error {
	head := stateHead{Heads: g.cut.heads, Counter: g.cut.counter, Earlier: g.cut.earlier, Written: g.cut.written, Paths: g.cut.view.paths.Len()}
	if err := writeJSON(g.w, head); err != nil {
		return err
	}
	err := g.m.scan(elemKeys, "", true, func(e query.Entry) error { return g.element(e.Key[len(elemKeys):]) })
	for err == nil && len(g.had) > 0 {
		err = g.flush(g.had[0].End, false)
	}
	if err == nil {
		err = g.flush("", true)
	}
	if err == nil {
		err = g.checkVersions()
	}
	if err == nil {
		err = g.names()
	}
	return err
}

// checkVersions makes sure that what was sent is what readers saw.
func (g *giving) checkVersions() error {
	whole := g.cut.view.whole()
	g.sum.Digest = whole[:]
	if g.total != whole && g.m.behindCut.Load() != g.cut.behind {
		return fmt.Errorf("%w: it took a state itself meanwhile", errGivesOthers)
	}
	if g.total != whole {
		return g.m.obstructs("", fmt.Errorf("%w: its datastore has other versions than it", errNotCompacted))
	}
	g.total = digest{}
	return nil
}

// element takes one element of the set. Most that are not live at the cut were removed before, some
// came after.
func (g *giving) element(place string) error {
	for len(g.had) > 0 && place > g.had[0].End {
		if err := g.flush(g.had[0].End, false); err != nil {
			return err
		}
	}
	key, id := splitPlace(place)
	path, v, ours, err := parseKey(key)
	if err != nil || !ours {
		return g.foreign(key)
	}
	value, ok := g.cut.view.valueOf(path, v)
	if !ok {
		if g.skipped++; g.skipped == maxSkipped {
			return g.flush(place, false) // the member hears that something is being done
		}
		return nil
	}
	if key == g.lastKey {
		g.last = place
		return g.again(key, id)
	}
	if g.size >= min(statePageBytes, firstStatePage<<min(g.sent, 10)) { // not before: all of one key is in one page
		if err := g.flush(g.last, false); err != nil {
			return err
		}
	}
	g.lastKey, g.last = key, place
	g.page.Elements = append(g.page.Elements, &pb.Element{Key: key, Id: id, Value: []byte(value)})
	g.digest.addVersion(key, value)
	g.size += len(place) + len(value) + 16
	return nil
}

// again takes one more element of a version. Of several that changes wrote one can travel.
func (g *giving) again(key, id string) error {
	if dead, err := g.dead(key, id); err != nil || dead {
		return err
	}
	if last := len(g.page.Elements) - 1; last >= 0 {
		if dead, err := g.dead(key, g.page.Elements[last].GetId()); err != nil || dead {
			g.page.Elements[last].Id = id
			return err
		}
	}
	return g.m.obstructs(key, fmt.Errorf("%w: two changes wrote %q", errNotCompacted, clip(key)))
}

// dead reports whether an element is deleted.
func (g *giving) dead(key, id string) (bool, error) {
	return g.m.cfg.Store.Has(g.m.ctx, dsKey(tombKeys+key+id))
}

// foreign is a key of a later release. While it is alive nothing tells whether it was at the cut.
func (g *giving) foreign(key string) error {
	err := g.m.canTravel(key)
	if errors.Is(err, errGivesNone) {
		return g.m.obstructs(key, err)
	}
	return err
}

// flush sends the page of the versions up to a place; of those that the member has already only
// that it has them.
func (g *giving) flush(end string, rest bool) error {
	p := statePage{End: end, Versions: len(g.page.Elements), Rest: rest}
	at := len(g.had) > 0 && g.had[0].End == end
	p.Same = at && g.fresh && string(g.had[0].Digest) == string(g.digest[:])
	var body []byte
	if !p.Same && p.Versions > 0 {
		var err error
		if body, err = g.zip.encode(&g.page); err != nil {
			return err
		}
	}
	if body != nil {
		g.sent++
	}
	g.sum.Versions += p.Versions
	g.total.add(g.digest[:])
	if at {
		g.had = g.had[1:]
	}
	g.fresh, g.skipped = at, 0
	g.page.Elements, g.size, g.digest = nil, 0, digest{}
	return g.write(p, body)
}

func (g *giving) names() error {
	var page []byte
	n := 0
	send := func() error {
		err := g.write(statePage{Names: n}, page)
		page, n = page[:0], 0
		return err
	}
	err := g.m.eachNameAt(g.cut, func(id string, priority uint64) (err error) {
		at := len(page)
		if page, err = appendName(page, id, priority); err != nil {
			return err
		}
		g.total.add(page[at : at+nameSize])
		g.sum.Names++
		if n++; len(page) < namesPageBytes {
			return nil
		}
		return send()
	})
	if err == nil && n > 0 {
		err = send()
	}
	if err != nil {
		return err
	}
	g.sum.Deltas = g.total[:]
	return g.write(statePage{Sum: &g.sum}, nil)
}

// write sends one page. The member may take its time to store the one before.
func (g *giving) write(p statePage, body []byte) error {
	alive(g.conn)
	if err := writeJSON(g.w, p); err != nil {
		return err
	}
	if len(body) > 0 {
		if err := writeFrame(g.w, body); err != nil {
			return err
		}
	}
	return g.w.Flush()
}

// valueOf is the value of a version, if that is alive, whether or not it stays out.
func (s *snapshot) valueOf(path string, v version) (string, bool) {
	key := sortKey(path)
	for p, _ := s.tree(path, v).Get(key); len(p) > 0; {
		var st stored
		if st, p = s.writers.unpack(key, p); st.version == v {
			return st.value(), true
		}
	}
	return "", false
}
