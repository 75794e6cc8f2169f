package lease_test

import (
	"slices"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
)

// job is a client that pushes an image: it asks for each blob, mounts it or uploads it, and
// then pushes the manifest. What it is told is missing it uploads, and tries again.
type job struct {
	at          int // the registry it talks to
	repo, image int
	todo        []work
	tries       int
	pause       time.Duration
	req         *request
}

type kind int

const (
	head kind = iota
	mount
	upload
	manifest
)

type work struct {
	kind kind
	blob int
}

// request is one that a registry is answering, part by part.
type request struct {
	work
	r        *registry
	run      int
	part     int
	reliance uint64
	refs     []int // on which its answer lets the client rely
	writes   []int
}

// step does one part of the client's work. by is the registry that has its turn, and only
// its own clients do something.
func (j *job) step(by *registry) {
	s := by.s
	r := s.regs[j.at]
	switch {
	case s.now < j.pause:
	case j.req != nil && j.req.run != j.req.r.run: // the connection broke
		j.req = nil
		j.giveUp(s)
	case !s.awake(r):
		if s.chance(50) && j.req == nil {
			j.at = by.id // to another one
		}
	case j.req != nil:
		if j.req.next(j) {
			j.end()
		}
	case len(j.todo) == 0:
		if by.id != s.exile || s.chance(400) { // hardly anybody reaches it
			j.begin(by)
		}
	default:
		j.req = r.request(j)
	}
}

func (j *job) begin(r *registry) {
	s := r.s
	*j = job{at: r.id, repo: s.rng.IntN(repos), image: s.inFashion()}
	j.pause = s.now + s.some(s.rare)
	for _, b := range s.images[j.image] {
		k := kind(s.rng.IntN(2)) // head or mount
		if s.chance(10) {
			k = upload
		}
		j.todo = append(j.todo, work{k, b})
	}
	if s.chance(4) {
		j.todo = nil // the client takes for granted that the blobs are there
	}
	j.todo = append(j.todo, work{manifest, 0})
}

func (j *job) giveUp(s *sim) {
	j.todo = nil
	j.pause = s.now + s.some(hour)
}

// end ends the request that is under way.
func (j *job) end() {
	if j.req.reliance > 0 && j.req.run == j.req.r.run {
		j.req.r.reliances.End(j.req.reliance)
	}
	j.req = nil
}

// done goes on to what comes next, sometimes much later, and sometimes elsewhere.
func (j *job) done(s *sim) {
	j.todo = j.todo[1:]
	switch s.rng.IntN(8) {
	case 0:
		j.pause = s.now + s.some(30*hour)
	case 1:
		j.at = s.rng.IntN(len(s.regs))
	}
}

// missing has the client upload a blob before it tries again.
func (j *job) missing(s *sim, b int) {
	if j.tries++; j.tries > 4 {
		j.giveUp(s)
		return
	}
	if j.todo[0].kind == manifest {
		s.seen.refused++
		j.todo = append([]work{{upload, b}}, j.todo...)
		return
	}
	j.todo[0].kind = upload
}

func (r *registry) request(j *job) *request {
	w := j.todo[0]
	q := &request{work: w, r: r, run: r.run}
	if w.kind == upload {
		return q
	}
	q.reliance = r.reliances.Begin()
	switch w.kind {
	case head:
		q.refs = []int{linkOf(j.repo, w.blob), dataOf(w.blob)}
	case mount:
		q.refs = []int{linkOf(1-j.repo, w.blob), dataOf(w.blob)}
	case manifest:
		q.refs = r.s.refs(revOf(j.repo, j.image))
	}
	return q
}

// next does the next part of a request; true when that was the last.
func (q *request) next(j *job) (over bool) {
	r, s := q.r, q.r.s
	q.part++
	if s.chance(200) { // the disk is slow, or this machine, or the network
		j.pause = s.now + s.some(r.grace+hour)
	}
	switch {
	case q.kind == upload:
		return q.upload(j)
	case q.part <= len(q.refs):
		if p := q.refs[q.part-1]; !r.found(p, q.kind) {
			blob := p
			if p >= links {
				blob = (p - links) % blobs
			}
			j.missing(s, blob)
			return true
		}
	case q.part == len(q.refs)+1:
		q.decide(j)
	default:
		q.write()
		if q.kind == manifest {
			s.seen.pushes++
		}
		j.done(s)
		return true
	}
	return false
}

func (q *request) upload(j *job) (over bool) {
	r := q.r
	if q.part == 1 {
		r.has[q.blob], r.last[q.blob] = true, r.ran
		r.pins[q.blob]++
		return false
	}
	q.writes = []int{dataOf(q.blob), linkOf(j.repo, q.blob)}
	q.write()
	r.pins[q.blob]--
	j.done(r.s)
	return true
}

// decide chooses what the request writes anew.
func (q *request) decide(j *job) {
	r := q.r
	if q.kind == mount {
		q.refs = []int{dataOf(q.blob), linkOf(j.repo, q.blob)}
	}
	for _, p := range q.refs {
		if q.kind == mount && p >= links && len(r.alive[p]) == 0 || !r.recent(p) && !r.s.broken.neverRenew {
			q.writes = append(q.writes, p)
		} else {
			r.s.seen.relied++
		}
	}
	r.s.seen.renewed += len(q.writes)
	if q.kind == manifest {
		q.writes = append(q.writes, revOf(j.repo, j.image))
	}
}

func (q *request) write() {
	d := &delta{}
	if len(q.writes) > 0 {
		q.r.note()
	}
	for _, p := range q.writes {
		q.r.put(d, p, 0)
	}
	q.r.commit(d)
}

// recent is rule 1.
func (r *registry) recent(path int) bool {
	since, ok := r.own.Since(r.mono().Add(-lease.RenewAfter(r.grace)))
	return ok && slices.ContainsFunc(r.alive[path], func(v version) bool { return v.writer == r.log && v.counter > since })
}

// found looks a path up, and for bytes that are not here asks who holds them.
func (r *registry) found(path int, k kind) bool {
	if len(r.alive[path]) == 0 {
		return false
	}
	if path >= links || k == manifest && r.s.broken.dontAsk {
		return true
	}
	held := r.has[path]
	if held {
		r.last[path] = r.ran
		return true
	}
	for _, o := range r.s.regs {
		if o != r && o.has[path] && r.s.connected(r.id, o.id) && r.s.awake(o) {
			o.last[path] = o.ran
			o.meet(r)
			r.meet(o)
			held = true
		}
	}
	return held
}

// deleteSome deletes a manifest, as a client would, or several.
func (r *registry) deleteSome() {
	d := &delta{}
	for rev := revs; rev < oblivio; rev++ {
		if r.s.chance(2) {
			for _, v := range r.alive[rev] {
				d.dels = append(d.dels, dot{rev, v})
			}
		}
	}
	r.commit(d)
}
