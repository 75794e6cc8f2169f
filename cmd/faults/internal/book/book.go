package book

import (
	"maps"
	"slices"
	"sync"
)

// Book is what was asked of registries, and what they answered.
type Book struct {
	mu     sync.Mutex
	events int
	pages  map[Name]*page
	dirty  map[Name]bool // has changed since all agreed
}

// New is an empty book.
func New() *Book { return &Book{pages: map[Name]*page{}, dirty: map[Name]bool{}} }

// page is all that counts of one name.
type page struct {
	ops   []*Op
	known map[Seat]map[*Op]bool
	all   map[*Op]bool // that everybody knows
}

// Push notes that a manifest is about to be pushed to a name.
func (b *Book) Push(n Name, digest string, at Seat) *Op { return b.begin(n, digest, at) }

// Delete notes that a name is about to be deleted.
func (b *Book) Delete(n Name, at Seat) *Op { return b.begin(n, "", at) }

func (b *Book) begin(n Name, digest string, at Seat) *Op {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.page(n)
	o := &Op{book: b, name: n, digest: digest, seat: at, began: b.tick(), knew: p.knownAt(at)}
	p.ops = append(p.ops, o)
	b.dirty[n] = true
	return o
}

func (b *Book) page(n Name) *page {
	p := b.pages[n]
	if p == nil {
		p = &page{known: map[Seat]map[*Op]bool{}, all: map[*Op]bool{}}
		b.pages[n] = p
	}
	return p
}

func (b *Book) tick() int { b.events++; return b.events }

// knownAt is what a registry surely knows now.
func (p *page) knownAt(at Seat) map[*Op]bool {
	k := map[*Op]bool{}
	for _, from := range []map[*Op]bool{p.all, p.known[at]} {
		for o := range from {
			k[o] = true
		}
	}
	return k
}

// learn adds what happened, and what it knew, to what a registry knows.
func (p *page) learn(at Seat, o *Op) {
	k := p.known[at]
	if k == nil {
		k = map[*Op]bool{}
		p.known[at] = k
	}
	k[o] = true
	for earlier := range o.knew {
		k[earlier] = true
	}
}

func (p *page) forget(o *Op) {
	for i := range p.ops {
		if p.ops[i] == o {
			p.ops = append(p.ops[:i], p.ops[i+1:]...)
			return
		}
	}
}

// Changed are the names that were pushed to or deleted since all agreed on them.
func (b *Book) Changed() []Name {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.dirty))
}

// All are all names.
func (b *Book) All() []Name {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.pages))
}

// Agreed notes that all registries have the same map, and answer for a name with a digest,
// or, if it is "", that there is none. Settled reports whether a registry's process of that
// number has ended, so that it will answer nothing any more.
func (b *Book) Agreed(n Name, digest string, settled func(registry, run int) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.page(n)
	o := &Op{book: b, name: n, digest: digest, state: certain, began: b.tick(), ended: b.events}
	kept := []*Op{o}
	delete(b.dirty, n)
	for _, earlier := range p.ops {
		if earlier.state == unknown && !settled(earlier.seat.Registry, earlier.run) {
			earlier.knew = nil
			kept = append(kept, earlier)
			b.dirty[n] = true
		}
	}
	p.ops, p.known, p.all = kept, map[Seat]map[*Op]bool{}, map[*Op]bool{o: true}
}
