package book

import (
	"maps"
	"slices"
	"strings"
)

// Answers are what may be answered for a name once all registries have heard of everything.
type Answers struct {
	Digests map[string]bool
	Nothing bool   // it may be gone
	Latest  string // of the push that was acknowledged last; "": none, or it was deleted since
	ops     []*Op
}

// Is reports whether a digest may be answered, or, if it is "", that there is none.
func (a Answers) Is(digest string) bool {
	if digest == "" {
		return a.Nothing
	}
	return a.Digests[digest]
}

// String says why, for a journal.
func (a Answers) String() string {
	var lines []string
	for _, o := range a.ops {
		lines = append(lines, o.String())
	}
	return strings.Join(lines, "; ")
}

// May says what may be answered for a name when all registries agree.
func (b *Book) May(n Name) Answers {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pages[n]
	if p == nil {
		return Answers{Nothing: true}
	}
	return p.may()
}

func (p *page) may() Answers {
	a := Answers{Digests: map[string]bool{}, ops: slices.Clone(p.ops)}
	replaced := p.replaced()
	a.Nothing = true
	last := -1
	for _, o := range p.ops {
		if o.happened() && o.ended > last {
			a.Latest, last = o.digest, o.ended
		}
		if o.isDelete() || !o.may() || replaced[o] {
			continue
		}
		a.Digests[o.digest] = true
		if o.happened() && !p.mayBeDeleted(o) {
			a.Nothing = false
		}
	}
	return a
}

// replaced are the operations that something knew which surely happened.
func (p *page) replaced() map[*Op]bool {
	all := map[*Op]bool{}
	for _, o := range p.ops {
		if o.happened() {
			maps.Copy(all, o.knew)
		}
	}
	return all
}

// mayBeDeleted reports whether a delete may have removed a push: one that it did not know
// of, and that had not ended before it began.
func (p *page) mayBeDeleted(push *Op) bool {
	return slices.ContainsFunc(p.ops, func(o *Op) bool {
		return o.isDelete() && o.may() && !push.knew[o] && (!o.happened() || push.began < o.ended)
	})
}
