package blob

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
)

// Partial is a blob on its way here. It is safe for concurrent use. Leaves that an
// earlier run left are hashed again before they count, each when it is first asked
// for.
type Partial struct {
	store  *Store
	layout *dag.Layout
	inner  []blocks.Block
	file   *os.File
	marks  *os.File // nil when the blob was whole at the start
	claim  *room.Claim
	users  int // under store.mu
	spent  spent

	mu      sync.Mutex
	have    bitset.Set // verified
	claimed bitset.Set // said to be on disk by an earlier run
	left    int        // leaves not in have
	done    bool       // it is a blob now
	unpin   Unpin      // keeps that blob from being deleted
	full    bool       // the disk was full
}

func (p *Partial) noteFull(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.full = p.full || room.IsFull(err)
}

// Have reports whether leaf i is here and verified.
func (p *Partial) Have(i int) bool {
	if i < 0 || i >= p.layout.Leaves() {
		return false
	}
	p.mu.Lock()
	have, claimed := p.have.Has(i), p.claimed.Has(i)
	p.mu.Unlock()
	if have || !claimed {
		return have
	}
	return p.recheck(context.Background(), i)
}

// recheck hashes a leaf that an earlier run left. When ctx ends first, the leaf stays
// undecided.
func (p *Partial) recheck(ctx context.Context, i int) bool {
	good, err := p.store.hash.verify(ctx, p.file, p.layout, i)
	if err != nil && ctx.Err() != nil {
		return false
	}
	if err != nil {
		good = false // cannot be read: to be fetched again
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.claimed.Has(i) {
		return p.have.Has(i) // another caller was faster
	}
	p.claimed.Drop(i)
	if good {
		p.have.Add(i)
		p.left--
	}
	return good
}

// Missing returns the first leaf at or after from that has to be fetched, or when there is
// none the first of all; false when every leaf is here. Leaves of an earlier run count as
// here until nothing else is missing; then the call hashes them in parallel, which takes
// seconds per GiB. When ctx ends first, those that were not hashed yet count as missing in
// this answer.
func (p *Partial) Missing(ctx context.Context, from int) (i int, ok bool) {
	n := p.layout.Leaves()
	from = max(0, from)
	if from < n {
		p.Have(from) // a reader waits for this leaf: verify it now
	}
	if i, ok := p.absent(from, p.claimed); ok {
		return i, true
	}
	p.recheckAll(ctx)
	return p.absent(from, p.have)
}

// absent is the first leaf at or after from, wrapping around, that is neither here nor in
// others.
func (p *Partial) absent(from int, others bitset.Set) (int, bool) {
	n := p.layout.Leaves()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		return 0, false
	}
	if i, ok := bitset.FirstAbsent(p.have, others, from, n); ok {
		return i, true
	}
	return bitset.FirstAbsent(p.have, others, 0, min(from, n))
}

// Absent gives the leaves that have to be fetched, as far as is known: leaf i is bit i%8 of
// byte i/8, the lowest first. Leaves of an earlier run that were not hashed again are not
// among them, and are not hashed by this call.
func (p *Partial) Absent() []byte {
	n := p.layout.Leaves()
	p.mu.Lock()
	defer p.mu.Unlock()
	absent := bitset.New(n)
	for i := range absent {
		absent[i] = ^(p.have[i] | p.claimed[i])
	}
	for i := n; i < len(absent)*8; i++ {
		absent.Drop(i)
	}
	return absent
}

// Verified gives the leaves that are here and verified, in the form of Absent. Leaves of an
// earlier run that were not hashed again are not among them, and are not hashed by this
// call.
func (p *Partial) Verified() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.have)
}

// complete reports whether every leaf is here and verified.
func (p *Partial) complete() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left == 0
}

// recheckAll hashes every leaf of an earlier run, until ctx ends.
func (p *Partial) recheckAll(ctx context.Context) {
	if p.complete() {
		return
	}
	var g errgroup.Group
	g.SetLimit(p.store.hash.workers)
	for i := range p.layout.Leaves() {
		p.mu.Lock()
		claimed := p.claimed.Has(i)
		p.mu.Unlock()
		if claimed && ctx.Err() == nil {
			g.Go(func() error { p.recheck(ctx, i); return nil })
		}
	}
	_ = g.Wait() // nothing in it fails
}

// Put gives leaf i its bytes: ErrBadLeaf when they are not that leaf's. A leaf
// that is here already is verified and dropped.
func (p *Partial) Put(i int, data []byte) error {
	if i < 0 || i >= p.layout.Leaves() {
		return fmt.Errorf("put leaf %d of %s: there are %d: %w", i, p.layout.Root, p.layout.Leaves(), ErrBadLeaf)
	}
	offset, length := p.layout.Span(i)
	began := time.Now()
	matches := p.layout.Matches(i, data)
	p.spent.hash.Add(int64(time.Since(began)))
	if !matches {
		return fmt.Errorf("put leaf %d of %s: %w", i, p.layout.Root, ErrBadLeaf)
	}
	p.mu.Lock()
	have := p.have.Has(i)
	p.claimed.Drop(i) // what is there is being overwritten
	p.mu.Unlock()
	if have {
		return nil
	}
	began = time.Now()
	defer func() { p.spent.write.Add(int64(time.Since(began))) }()
	if _, err := p.file.WriteAt(data, offset); err != nil {
		p.noteFull(err)
		return fmt.Errorf("put leaf %d: %w", i, err)
	}
	p.claim.Spend(length)
	beginWriteback(p.file, offset, length)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.have.Has(i) {
		return nil
	}
	p.have.Add(i)
	p.left--
	// Not synced: after a crash marks only say what to hash again.
	mark := []byte{p.have[i/8] | p.claimed[i/8]}
	if _, err := p.marks.WriteAt(mark, int64(i/8)); err != nil {
		return fmt.Errorf("put leaf %d: %w", i, err)
	}
	return nil
}

// ReadAt reads bytes of verified leaves. When the next byte has not arrived, it returns
// those before it and ErrNotYet; at the end of the blob io.EOF.
func (p *Partial) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read %s at %d: negative offset", p.layout.Root, off)
	}
	end := min(off+int64(len(b)), p.layout.Size)
	ready := off
	for ready < end {
		i := int(ready / p.layout.LeafSize)
		if !p.Have(i) {
			break
		}
		start, length := p.layout.Span(i)
		ready = min(start+length, end)
	}
	n := 0
	if ready > off {
		var err error
		if n, err = p.file.ReadAt(b[:ready-off], off); n < int(ready-off) {
			return n, fmt.Errorf("read %s at %d: %w", p.layout.Root, off, err)
		}
	}
	switch {
	case n == len(b):
		return n, nil
	case ready < end:
		return n, fmt.Errorf("read %s at %d: %w", p.layout.Root, ready, ErrNotYet)
	}
	return n, io.EOF
}
