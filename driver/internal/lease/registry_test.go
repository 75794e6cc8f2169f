package lease_test

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
)

// registry is one of the model.
type registry struct {
	s      *sim
	id     int
	name   string
	grace  time.Duration
	joined bool
	log    int           // in which it writes
	lazy   bool          // it does not collect, and seldom hears anybody
	asleep time.Duration // until then: suspended, or stopped
	stood  time.Duration // for which its monotonic clock has stood still

	// on disk
	merged    vector
	alive     [paths][]version
	counter   uint64
	writers   [maxRegs]uint64
	has       [blobs]bool
	ran       lease.Moment
	mark      *lease.Mark
	members   map[string]bool
	forgotten map[string]uint64
	backup    *registry // of all this; nil: none

	top uint64 // the greatest counter that it ever used

	// of a run
	run        int
	clock      *lease.Clock
	own        lease.Own
	reliances  lease.Reliances
	heard      map[string]lease.Hearing
	pending    []waiting
	doomed     []dot
	unheard    map[string]uint64
	last       [blobs]lease.Moment
	pins       [blobs]int
	returning  bool
	returnUpTo uint64

	jobs  []*job
	quiet bool // nothing is checked
}

// waiting is an answer that waits for reliances to end.
type waiting struct {
	message
	upTo uint64
}

// mono is the registry's monotonic clock.
func (r *registry) mono() time.Time { return time.Unix(0, 0).Add(r.s.now - r.stood) }

func (r *registry) start() {
	r.run++
	r.clock = lease.NewClock(r.ran, r.mono())
	r.own, r.reliances, r.heard = lease.Own{}, lease.Reliances{}, map[string]lease.Hearing{}
	r.pending, r.doomed, r.returning = nil, nil, false
	r.pins = [blobs]int{}
	for b := range r.last {
		r.last[b] = r.ran
	}
}

func (r *registry) wake() {
	r.ran = r.clock.Read(r.mono())
	for len(r.pending) > 0 && (r.reliances.Settled(r.pending[0].upTo) || r.s.broken.hearOnlyCome || r.s.broken.clocks) {
		m := r.pending[0].message
		r.pending = r.pending[1:]
		m.from, m.to, m.answer, m.has = m.to, m.from, true, r.merged
		r.s.send(m)
	}
}

func (r *registry) meet(o *registry) {
	if o != r {
		r.members[o.name] = true
		delete(r.forgotten, o.name)
	}
}

func (r *registry) forget(o *registry) {
	if _, already := r.forgotten[o.name]; already && !r.members[o.name] {
		return
	}
	delete(r.members, o.name)
	delete(r.heard, o.name)
	r.forgotten[o.name] = r.writers[o.id]
	r.s.windows[o.id] = append(r.s.windows[o.id], window{uint64(r.id), r.writers[o.id], never})
	r.s.seen.forgot++
}

func (r *registry) tick() {
	s := r.s
	for range 3 {
		r.jobs[s.rng.IntN(len(r.jobs))].step(r)
	}
	switch n := s.rng.IntN(8); {
	case n < 2 && !r.lazy:
		r.collect()
	case n < 4:
		r.dropSome()
	case n == 4:
		if !s.broken.noReturn {
			r.returns()
		}
	case n < 7:
		if o := s.rng.IntN(len(s.regs)); o != r.id && (!s.deaf || s.chance(200)) {
			s.send(message{from: r.id, to: o})
		}
	case !r.lazy || s.chance(60):
		r.hearOne()
	}
}

// asked takes a question.
func (r *registry) asked(m message) {
	if !m.hear {
		m.from, m.to, m.answer, m.has = m.to, m.from, true, r.merged
		r.s.send(m)
		return
	}
	if !r.s.broken.neverLapse && !r.s.broken.clocks {
		r.own.Lapse(m.counter)
	}
	r.pending = append(r.pending, waiting{m, r.reliances.Begun()})
}

// answered merges what a member named, or a part of it.
func (r *registry) answered(m message) {
	if !m.hear && r.s.chance(4) {
		r.merge(m.has, uint64(r.s.rng.IntN(4)))
		return
	}
	r.merge(m.has, never)
	if !m.hear || m.run != r.run {
		return
	}
	r.heard[r.s.regs[m.from].name] = lease.Hearing{Asked: m.asked, Counter: m.counter}
	r.s.seen.heard++
	for i, w := range r.s.windows[m.from] {
		if w.by == uint64(r.id) && w.to == never {
			r.s.windows[m.from][i].to = r.s.regs[m.from].top
		}
	}
}

// hearOne asks one of those whom this registry has to hear.
func (r *registry) hearOne() {
	known := r.known()
	id, _ := strconv.Atoi(known[r.s.rng.IntN(len(known))])
	m := message{from: r.id, to: id, hear: true, asked: r.ran, run: r.run}
	if r.mark != nil {
		m.counter = r.mark.Counter
	}
	r.s.send(m)
}

func (r *registry) known() []string {
	return lease.Known(r.name, slices.Collect(maps.Keys(r.members)), r.written(), r.forgotten)
}

func (r *registry) written() map[string]uint64 {
	all := map[string]uint64{}
	for id, counter := range r.writers {
		if counter > 0 {
			all[strconv.Itoa(id)] = counter
		}
	}
	return all
}

// merge takes what another registry had merged, but not more than a number of deltas.
func (r *registry) merge(theirs vector, most uint64) {
	var all []*delta
	for w := range theirs {
		if theirs[w] > r.merged[w] {
			all = append(all, r.s.log[w][r.merged[w]:theirs[w]]...)
		}
	}
	slices.SortFunc(all, func(a, b *delta) int { return cmp.Compare(a.number, b.number) })
	for i, d := range all {
		if uint64(i) == most {
			return
		}
		r.apply(d)
	}
}

func (r *registry) apply(d *delta) {
	r.merged[d.writer]++
	for _, x := range d.dels {
		r.alive[x.path] = slices.DeleteFunc(slices.Clone(r.alive[x.path]), func(v version) bool { return v.counter == x.counter && v.writer == x.writer })
	}
	for _, x := range d.adds {
		r.alive[x.path] = append(slices.Clip(r.alive[x.path]), x.version)
		r.counter = max(r.counter, x.counter)
		peer := peerOf(x.writer)
		r.writers[peer] = max(r.writers[peer], x.counter)
		if x.path < links {
			r.last[x.path] = r.ran
		}
	}
	if r.quiet {
		return
	}
	for _, x := range d.dels {
		if x.path < revs && len(r.alive[x.path]) == 0 {
			r.checkUsers(x.path)
		}
	}
	for _, x := range d.adds {
		if x.path >= revs && x.path < oblivio {
			r.checkManifest(x.path)
		}
	}
}

// put is an op that writes a path; with value, a record of a forgotten writer.
func (r *registry) put(d *delta, path int, value uint64) {
	for _, v := range r.alive[path] {
		d.dels = append(d.dels, dot{path, v})
	}
	r.counter++
	r.top = max(r.top, r.counter)
	d.adds = append(d.adds, dot{path, version{r.counter, r.log, value}})
}

func (r *registry) commit(d *delta) {
	s := r.s
	if len(d.adds)+len(d.dels) == 0 {
		return
	}
	d.number, d.writer = s.number, r.log
	s.number++
	s.log[r.log] = append(s.log[r.log], d)
	s.all.apply(d)
	r.apply(d)
}

func (r *registry) note() { r.own.Note(r.mono(), r.counter) }

// refs are the paths that a revision refers to.
func (s *sim) refs(rev int) (refs []int) {
	repo, image := (rev-revs)/images, (rev-revs)%images
	for _, b := range s.images[image] {
		refs = append(refs, linkOf(repo, b), dataOf(b))
	}
	return refs
}

func newest(vs []version) version {
	return slices.MaxFunc(vs, func(a, b version) int {
		return cmp.Or(cmp.Compare(a.counter, b.counter), cmp.Compare(a.writer, b.writer))
	})
}

func versionsOf(vs []version) (names []string) {
	for _, v := range vs {
		names = append(names, v.String())
	}
	return names
}

// unused gives the blobs and links to which no live manifest refers.
func (r *registry) unused() iter.Seq2[string, []string] {
	var used [paths]bool
	for rev := revs; rev < oblivio; rev++ {
		if len(r.alive[rev]) > 0 {
			for _, p := range r.s.refs(rev) {
				used[p] = true
			}
		}
	}
	return func(yield func(string, []string) bool) {
		for p := range revs {
			if !used[p] && len(r.alive[p]) > 0 && !yield(names[p], versionsOf(r.alive[p])) {
				return
			}
		}
	}
}
