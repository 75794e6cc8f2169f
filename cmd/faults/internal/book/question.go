package book

import (
	"fmt"
	"slices"
)

// Question is a read of a name that a registry has not answered yet.
type Question struct {
	book *Book
	name Name
	seat Seat
	knew map[*Op]bool // by the registry, when it was asked
}

// Ask notes that a registry is about to be asked for a name.
func (b *Book) Ask(n Name, at Seat) *Question {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &Question{book: b, name: n, seat: at, knew: b.page(n).knownAt(at)}
}

// Answered notes what the registry answered: a digest, or, if it is "", that there is none. It
// returns what is wrong with the answer: it was never pushed, or the registry had
// acknowledged, or answered with, something else that nothing had replaced. Whoever sits
// there now tells whether the registry has got another disk meanwhile; then all answers are
// right.
func (q *Question) Answered(digest string, now Seat) error {
	b := q.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if now != q.seat {
		return nil
	}
	p := b.page(q.name)
	if digest == "" {
		return q.nothing(p)
	}
	var which []*Op
	for _, o := range p.ops {
		if o.digest == digest && o.may() {
			which = append(which, o)
		}
	}
	if len(which) == 0 {
		return fmt.Errorf("%s: %s answers with %s, which was never pushed to it, or was replaced before all agreed: %s", q.name, q.seat, digest, p.may())
	}
	if len(which) > 1 {
		return nil // one of them
	}
	return q.seen(p, which[0])
}

func (q *Question) seen(p *page, o *Op) error {
	for later := range q.knew {
		if later.knew[o] {
			return fmt.Errorf("%s: %s answers with %s, which it knew to be replaced: %s", q.name, q.seat, o.digest, p.may())
		}
	}
	if o.state == unknown {
		o.state = certain
	}
	if o.state == certain {
		p.learn(q.seat, o)
	}
	return nil
}

func (q *Question) nothing(p *page) error {
	for o := range q.knew {
		if !o.isDelete() && !p.mayBeGone(o) {
			return fmt.Errorf("%s: %s answers that there is none, and it knew of: %s; all: %s", q.name, q.seat, o, p.may())
		}
	}
	return nil
}

// mayBeGone reports whether a push may have been deleted, or replaced by something that was.
func (p *page) mayBeGone(push *Op) bool {
	return slices.ContainsFunc(p.ops, func(o *Op) bool { return o.isDelete() && o.may() && !push.knew[o] })
}
