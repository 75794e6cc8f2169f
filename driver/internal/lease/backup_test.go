package lease_test

import (
	"cmp"
	"maps"
	"slices"
)

// backUp copies the registry's datastore.
func (r *registry) backUp() {
	b := *r
	b.members, b.forgotten, b.backup = maps.Clone(r.members), maps.Clone(r.forgotten), nil
	r.backup = &b
}

// restore starts the registry from its backup, under a new incarnation. What it had said since
// is known only to those who have heard it. The files of its blobs stay, and those come back
// that were deleted since.
func (r *registry) restore() {
	s := r.s
	if r.backup == nil || r.log+maxRegs >= maxLogs {
		return
	}
	b := r.backup
	r.merged, r.alive, r.counter, r.writers = b.merged, b.alive, b.counter, b.writers
	r.ran, r.mark, r.members, r.forgotten = b.ran, b.mark, maps.Clone(b.members), maps.Clone(b.forgotten)
	for blob, had := range b.has {
		r.has[blob] = r.has[blob] || had
	}
	r.log += maxRegs
	r.start()
	for i := range s.windows[r.id] {
		s.windows[r.id][i].from = 0 // its counters begin anew
	}
	s.seen.restored++
	s.net = slices.DeleteFunc(s.net, func(m message) bool { return m.from == r.id }) // it cannot give what they name
	s.forgetUnheard()
}

// forgetUnheard drops the deltas that no registry has any more.
func (s *sim) forgetUnheard() {
	var all []*delta
	for log := range s.log {
		known := 0
		for _, r := range s.regs {
			known = max(known, r.merged[log])
		}
		s.log[log] = s.log[log][:known]
		all = append(all, s.log[log]...)
	}
	slices.SortFunc(all, func(a, b *delta) int { return cmp.Compare(a.number, b.number) })
	s.all = &registry{s: s, name: "all", alive: s.base, quiet: true}
	for _, d := range all {
		s.all.apply(d)
	}
	s.all.quiet = false
}
