package pathmap

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/ipfs/go-cid"
)

// maxJump is by how much the counter of a version may exceed the greatest that this
// registry knows: a member that wrote 2^64-1 would leave no greater counter to any
// registry. No swarm writes so often that a partition comes near maxJump: a registry that
// makes 1,000 versions a second needs seven weeks. Deltas that are merged together are
// judged together (reach), so that a newcomer accepts counters that other registries have
// reached in steps.
const maxJump = 1 << 32

// maxCounter is the greatest counter that is ever accepted, so that sums with maxJump do
// not overflow.
const maxCounter = 1 << 63

// ErrBadPath reports that a path can have no entry: the other registries would refuse it.
var ErrBadPath = errors.New("not a path that registries accept from each other")

// errUnacceptable reports that the other registries would refuse a delta that was made
// here.
var errUnacceptable = errors.New("the other registries would refuse these changes")

// checkOp refuses a write that the other registries would refuse, before it joins others in
// a delta: no registry follows one that wrote such a delta.
func (m *Map) checkOp(op Op) error {
	if op.Entry == nil && op.out != nil {
		return nil
	}
	if op.Entry == nil {
		return m.View().readable(op.Path) // it names versions that were accepted
	}
	key := keyOf(op.Path, version{maxCounter, m.cfg.Self}).String()
	if len(key) > maxKey-writerSize {
		return fmt.Errorf("write %.64s…: %w: %d bytes, at most %d",
			op.Path, ErrBadPath, len(op.Path), maxKey-writerSize-len(key)+len(op.Path))
	}
	path, _, ours, err := parseKey(key)
	if err != nil || !ours || path != op.Path || !utf8.ValidString(path) {
		return fmt.Errorf("write %q: %w", op.Path, ErrBadPath)
	}
	if _, err := UnmarshalEntry(op.Entry.Marshal()); err != nil {
		return fmt.Errorf("write %s: %w: %w", op.Path, errUnacceptable, err)
	}
	return nil
}

// readable returns ErrNewerEntry for a path with a version that this release cannot read.
// Such a version is never deleted, because this release cannot know what would be lost with
// it.
func (v View) readable(path string) error {
	for _, st := range v.s.versionsOf(path) {
		if st.err != nil {
			return fmt.Errorf("delete %s: %w", path, st.err)
		}
	}
	return nil
}

// checkOwn makes a delta that was just made here pass all checks of received ones, and
// returns its priority.
func (m *Map) checkOwn(c cid.Cid) (priority uint64, err error) {
	b, err := m.blocks.Get(m.ctx, c)
	if err != nil {
		return 0, fmt.Errorf("read delta %s: %w", c, err)
	}
	if len(b.RawData()) > maxDelta {
		return 0, errTooLarge
	}
	d, err := parseDelta(b)
	if err == nil {
		err = m.checkPriority(d)
	}
	if err == nil {
		err = d.checkCounters(m.counter)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errUnacceptable, err)
	}
	return d.priority, nil
}

// checkCounters refuses a delta that names a version far beyond the greatest known.
func (d *delta) checkCounters(greatest uint64) error {
	for _, c := range d.changes {
		if c.counter > maxCounter || c.counter > greatest && c.counter-greatest > maxJump {
			return fmt.Errorf("%w %s: counter %d of %s, where %d is the greatest known",
				errBadDelta, d.cid, c.counter, c.path, greatest)
		}
	}
	return nil
}

// reach is the greatest counter that can be reached from the greatest known one, in steps of
// at most maxJump, through the deltas that are to be merged, taken in any order.
type reach struct {
	known, next uint64
	far         []uint64 // counters that do not follow from the greatest known at once
}

func (m *Map) newReach() reach {
	m.lock.Lock()
	defer m.lock.Unlock()
	return reach{known: m.counter, next: m.counter}
}

func (r *reach) add(d *delta) {
	for _, c := range d.changes {
		if c.counter <= r.known || c.counter-r.known <= maxJump {
			r.next = max(r.next, c.counter)
		} else {
			r.far = append(r.far, c.counter)
		}
	}
}

func (r *reach) greatest() uint64 {
	slices.Sort(r.far)
	next := r.next
	for _, c := range r.far {
		if c > next && c-next > maxJump {
			break
		}
		next = max(next, c)
	}
	return next
}
