package pathmap

import (
	"container/heap"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
)

const (
	// MostLacking is up to how many deltas Lacks counts.
	MostLacking = 1000

	lackingSteps = 10 * MostLacking // deltas that are read to count them
)

// ErrNotHere reports that a delta is not merged here.
var ErrNotHere = errors.New("this registry has not merged it")

// HasDelta reports whether a delta is merged here.
func (m *Map) HasDelta(c cid.Cid) bool {
	_, ok, err := m.known(c)
	return ok && err == nil
}

// Lacks counts the deltas that lead to ours and not to theirs: how many a member lacks that names
// its heads. Both are merged here; ErrNotHere says that one of theirs is not. Where there are more
// than MostLacking, or much was written at the same time, it counts no further, and more is true.
func (m *Map) Lacks(ours, theirs []cid.Cid) (n int, more bool, err error) {
	l := &lacking{m: m, had: map[cid.Cid]bool{}}
	for _, c := range theirs {
		if err := l.add(c, true); err != nil {
			return 0, false, err
		}
	}
	for _, c := range ours {
		if err := l.add(c, false); err != nil {
			return 0, false, err
		}
	}
	for step := 0; l.open > 0; step++ {
		if n == MostLacking || step == lackingSteps {
			return n, true, nil
		}
		lacks, err := l.next()
		if err != nil {
			return n, false, err
		}
		if lacks {
			n++
		}
	}
	return n, l.cut, nil
}

// lacking walks from heads towards the oldest delta, greatest priority first: a delta comes after
// all that follow it, and so it is known by then whether a member has one of these.
type lacking struct {
	m     *Map
	queue deltaQueue
	had   map[cid.Cid]bool // those seen: the member has it
	cut   bool             // what it lacks begins behind the cut
	open  int              // those in the queue that it lacks, as far as is known
}

func (l *lacking) add(c cid.Cid, had bool) error {
	before, seen := l.had[c]
	if seen {
		if had && !before {
			l.had[c] = true
			l.open--
		}
		return nil
	}
	priority, ok, err := l.m.known(c)
	if err == nil && !ok {
		err = fmt.Errorf("delta %s: %w", c, ErrNotHere)
	}
	if err != nil {
		return err
	}
	l.had[c] = had
	if !had {
		l.open++
	}
	heap.Push(&l.queue, place{priority, c})
	return nil
}

// next looks at one more delta, and reports whether the member lacks it.
func (l *lacking) next() (lacks bool, err error) {
	q := heap.Pop(&l.queue).(place)
	had := l.had[q.cid]
	if !had {
		l.open--
	}
	b, err := l.m.blocks.Get(l.m.ctx, q.cid)
	if ipld.IsNotFound(err) { // behind the cut
		l.cut = l.cut || !had
		return !had, nil
	}
	if err != nil {
		return false, fmt.Errorf("read delta %s: %w", q.cid, err)
	}
	parents, err := parentsOf(b)
	if err != nil {
		return false, err
	}
	for _, p := range parents {
		if err := l.add(p, had); err != nil {
			return false, err
		}
	}
	return !had, nil
}
