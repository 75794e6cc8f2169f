package pathmap

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"slices"

	"github.com/ipfs/go-cid"
)

// maxReplaced is how many changes of a path are read for what they replaced: who is revoked may have written it over
// without end, and what lies further back is not brought back.
const maxReplaced = 1000

// replacing looks for what was deleted at some paths by versions that stay out. It reads the changes that wrote
// these, and goes on with those that wrote what they deleted, if that stays out as well. A change is read
// once for all paths, the latest first: who is revoked may have written thousands of paths over in each of thousands.
type replacing struct {
	m     *Map
	snap  *snapshot
	of    map[string]*replaced // by path
	next  replacers
	named map[string]*replacer // those of next, by ID
}

// replaced is what was found for a path.
type replaced struct {
	seen    map[string]bool // IDs of deltas
	found   []PastVersion
	missing bool // something cannot be read here
}

// replacer is a delta that is to be read.
type replacer struct {
	id       string
	cid      cid.Cid
	priority uint64
	paths    map[string]bool
}

func newReplacing(m *Map, snap *snapshot) *replacing {
	return &replacing{m: m, snap: snap, of: map[string]*replaced{}, named: map[string]*replacer{}}
}

// by has the deltas read that wrote a version which is alive.
func (r *replacing) by(path string, v version) error {
	ids, err := r.m.wroteIt(r.m.cfg.Store, keyOf(path, v).String())
	for _, id := range ids {
		err = errors.Join(err, r.want(path, id))
	}
	return err
}

// want has a delta read for what it deleted at a path.
func (r *replacing) want(path, id string) error {
	of := r.of[path]
	if of == nil {
		of = &replaced{seen: map[string]bool{}}
		r.of[path] = of
	}
	c, err := cidOf(id)
	if err != nil || of.seen[id] || len(of.seen) == maxReplaced {
		return nil // what is no ID leads nowhere
	}
	of.seen[id] = true
	d := r.named[id]
	if d == nil {
		priority, _, err := r.m.knownID(id)
		if err != nil {
			return err
		}
		d = &replacer{id, c, priority, map[string]bool{}}
		r.named[id] = d
		heap.Push(&r.next, d)
	}
	d.paths[path] = true
	return nil
}

// read reads the deltas that are wanted, and those that these lead to.
func (r *replacing) read(ctx context.Context) error {
	for len(r.next) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		d := heap.Pop(&r.next).(*replacer)
		delete(r.named, d.id)
		if err := r.in(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// in looks at what a delta deleted. One that is not here any more tells nothing.
func (r *replacing) in(ctx context.Context, d *replacer) error {
	msg, _, err := r.m.readDelta(ctx, d.cid)
	if err != nil {
		return err
	}
	if msg == nil {
		for path := range d.paths {
			r.of[path].missing = true
		}
		return nil
	}
	for _, t := range msg.GetTombstones() {
		path, v, ours, err := parseKey(t.GetKey())
		if err != nil || !ours || !d.paths[path] {
			continue
		}
		if r.snap.staysOut(v) {
			if err := r.want(path, t.GetId()); err != nil {
				return err
			}
		} else if from, err := cidOf(t.GetId()); err == nil {
			r.of[path].found = append(r.of[path].found, PastVersion{version: v, key: t.GetKey(), from: from})
		}
	}
	return nil
}

// greatest is the op that brings back the greatest version that was replaced at a path; nil: there is none that can be
// read. whole reports whether nothing greater may be known elsewhere.
func (r *replacing) greatest(ctx context.Context, path string) (op *Op, whole bool, err error) {
	of := r.of[path]
	if of == nil {
		return nil, true, nil
	}
	whole = !of.missing
	slices.SortFunc(of.found, func(a, b PastVersion) int {
		return cmp.Or(cmp.Compare(b.counter, a.counter), cmp.Compare(b.writer, a.writer))
	})
	for _, v := range of.found {
		was, err := r.m.Recall(ctx, v)
		if errors.Is(err, ErrNotFound) {
			whole = false
			continue
		}
		if err != nil {
			return nil, false, err
		}
		op := Op{Path: path, Entry: &was.Entry, UnlessAlive: true}
		if was.Err != nil || r.m.Check(op) != nil { // it is of a later release, or nobody may write it now
			return nil, whole, nil
		}
		return &op, whole, nil
	}
	return nil, whole, nil
}

// replacers are ordered by priority, the greatest first.
type replacers []*replacer

func (q replacers) Len() int           { return len(q) }
func (q replacers) Less(i, j int) bool { return q[i].priority > q[j].priority }
func (q replacers) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *replacers) Push(d any)        { *q = append(*q, d.(*replacer)) }

func (q *replacers) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	*q = (*q)[:last]
	return d
}
