package lease_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// The model is a swarm of registries over a simulated clock. Its map is an add-wins set of
// (path, version) whose deltas are merged in causal order; its messages are delayed and lost;
// its registries are cut off, suspended, restarted, forgotten. All decisions are lease's.

const (
	blobs  = 5
	repos  = 2
	images = 5

	links   = blobs               // path of the first link
	revs    = links + repos*blobs // of the first revision
	oblivio = revs + repos*images // of the first record of a forgotten writer
	paths   = oblivio + maxRegs   //
	maxRegs = 6                   //
	maxLogs = 4 * maxRegs         // of all incarnations: peerOf says whose
	stepFor = 40 * time.Second    // at most, between two steps
	hour    = time.Hour           //
	never   = ^uint64(0)          //
)

func dataOf(b int) int       { return b }
func linkOf(repo, b int) int { return links + repo*blobs + b }
func revOf(repo, i int) int  { return revs + repo*images + i }

var names = func() (n []string) {
	for p := range paths {
		n = append(n, fmt.Sprintf("/%03d", p))
	}
	return n
}()

// broken is what of the rules the model's registries get wrong.
type broken struct {
	neverRenew   bool // 1: a request relies on whatever is there
	neverLapse   bool // 1: what a member was asked to let lapse, it relies on all the same
	markOnce     bool // 2: what is unused goes, whatever the first mark saw
	hearNobody   bool // 3
	hearOnlyCome bool // 3: a member names its heads, without waiting for reliances under way
	bytesAtOnce  bool // 4: bytes go as soon as nothing names them
	bytesUnheard bool // 4: as soon as nothing has named them or asked for them for a quarter grace
	dontAsk      bool // 4: a manifest relies on bytes elsewhere without asking who has them
	noReturn     bool // 5
	recordLate   bool // 5: whom a collection did not wait for is looked up when it deletes

	// As the rules were first written: by the clocks alone. Nothing lapses but by age, a
	// member is heard when it was asked a quarter grace after the first mark.
	clocks bool
}

type version struct {
	counter uint64
	writer  int
	value   uint64
}

func (v version) String() string {
	return strconv.FormatUint(v.counter, 16) + "-" + strconv.Itoa(v.writer)
}

type dot struct {
	path int
	version
}

// delta is one change. Deltas are numbered in the order in which they are made, which is in
// accord with cause and effect.
type delta struct {
	number     int
	writer     int
	adds, dels []dot
}

type vector [maxLogs]int

// peerOf is the registry whose incarnation has a log, and writes with its number.
func peerOf(log int) int { return log % maxRegs }

// window is the writes of a registry that another one, which has forgotten it, may not have
// heard of: what they refer to may go, and comes back as far as their writer has the bytes.
type window struct{ by, from, to uint64 }

type sim struct {
	rng      *rand.Rand
	broken   broken
	regs     []*registry
	all      *registry     // what one would have that had merged everything
	images   [images][]int // blobs of each
	log      [maxLogs][]*delta
	base     [paths][]version // what was alive when all logs were empty
	number   int
	now      time.Duration
	net      []message
	cut      [maxRegs]int // the part of the swarm that each is in
	windows  [maxRegs][]window
	seen     counts
	found    string        // the first violation
	differ   bool          // each registry has a grace of its own
	deaf     bool          // deltas are exchanged seldom, and not all collect
	rare     time.Duration // pushes of one client are so far apart, at most
	forgets  bool          // now and then one is cut off for long, and forgotten
	restores bool          // now and then one is started from a backup
	exile    int           // that one; -1: none
	until    time.Duration
}

// counts are what happened, so that a model that does nothing is noticed.
type counts struct {
	pushes, refused, relied, renewed, collections, deleted, dropped, heard, forgot, returned, suspended, restarts, restored int
}

func newSim(seed uint64, n int, b broken) *sim {
	s := &sim{rng: rand.New(rand.NewPCG(seed, 1)), broken: b, exile: -1}
	s.differ, s.deaf, s.forgets, s.restores = s.chance(2), s.chance(2), s.chance(2), s.chance(3)
	s.rare = (1 + s.some(24*hour))
	for i := range s.images {
		s.images[i] = s.rng.Perm(blobs)[:1+s.rng.IntN(3)]
	}
	s.all = &registry{s: s, name: "all"}
	grace := s.grace()
	for id := range n {
		r := &registry{s: s, id: id, log: id, name: strconv.Itoa(id), members: map[string]bool{}, forgotten: map[string]uint64{}, grace: grace}
		if s.differ {
			r.grace = s.grace()
		}
		r.lazy = s.deaf && s.chance(2)
		r.start()
		s.regs = append(s.regs, r)
	}
	for _, r := range s.regs {
		r.joined = r.id < 2 || !s.chance(4)
		for _, o := range s.regs[:r.id] {
			if r.joined && o.joined {
				r.meet(o)
				o.meet(r)
			}
		}
		for range 3 {
			r.jobs = append(r.jobs, &job{})
		}
	}
	return s
}

func (s *sim) chance(oneIn int) bool { return s.rng.IntN(oneIn) == 0 }

// grace is that of a registry, or of one that is asked to collect with another one.
func (s *sim) grace() time.Duration {
	switch s.rng.IntN(6) {
	case 0:
		return 0
	case 1:
		return 20 * time.Minute
	}
	return time.Duration(1+s.rng.IntN(16)) * hour / 2
}

// inFashion gives an image of those that clients push at this time; the others are deleted,
// and fall out of use.
func (s *sim) inFashion() int {
	era := rand.New(rand.NewPCG(uint64(s.now/(12*hour)), 2))
	if s.deaf || s.chance(16) {
		return s.rng.IntN(images)
	}
	return era.Perm(images)[s.rng.IntN(2)]
}

func (s *sim) some(most time.Duration) time.Duration {
	return time.Duration(s.rng.Int64N(int64(most)))
}

func (s *sim) connected(a, b int) bool { return s.cut[a] == s.cut[b] }

// awake reports whether a registry does anything now.
func (s *sim) awake(r *registry) bool { return r.joined && s.now >= r.asleep }

func (s *sim) fail(format string, args ...any) {
	if s.found == "" {
		s.found = fmt.Sprintf("after %s: ", s.now) + fmt.Sprintf(format, args...)
	}
}

// excused reports whether a manifest may lack something, because it was pushed to a registry
// that somebody had forgotten.
func (s *sim) excused(v version) bool {
	return slices.ContainsFunc(s.windows[peerOf(v.writer)], func(w window) bool { return v.counter > w.from && v.counter <= w.to })
}

// run plays a number of steps, and lets all heal now and then. It ends with the first
// violation.
func (s *sim) run(steps int) {
	for i := range steps {
		s.step()
		if i%50_000 == 49_999 && s.found == "" {
			s.calm()
		}
		if s.found != "" {
			s.found = fmt.Sprintf("step %d, %s", i, s.found)
			return
		}
	}
}

func (s *sim) step() {
	s.now += s.some(stepFor)
	for _, r := range s.regs {
		if s.awake(r) {
			r.wake()
		}
	}
	r := s.regs[s.rng.IntN(len(s.regs))]
	if s.awake(r) {
		r.tick()
	}
	for range 1 + s.rng.IntN(3) {
		s.deliver()
	}
	if s.chance(100) && s.awake(r) && r.id != s.exile {
		r.deleteSome()
	}
	if s.chance(50_000) {
		r.joined = true // with nothing on its disk, and nobody knows it
	}
	if s.restores && s.chance(20_000) && r.joined {
		r.backUp()
	}
	if s.restores && s.chance(50_000) {
		r.restore()
	}
	if s.chance(400) {
		s.fault(s.regs[s.rng.IntN(len(s.regs))])
	}
}

// calm heals everything, has all registries merge all there is, and checks that nothing is
// missing.
func (s *sim) calm() {
	s.cut, s.net, s.exile = [maxRegs]int{}, nil, -1
	whole := !slices.ContainsFunc(s.regs, func(r *registry) bool { return !r.joined })
	for _, r := range s.regs {
		r.asleep = 0
		for _, j := range r.jobs {
			if j.req != nil {
				j.end()
			}
		}
		r.pending = nil
	}
	for range 3 { // what one writes anew, others may need
		s.mergeAll()
		if !s.broken.noReturn {
			for _, r := range s.regs {
				if r.joined {
					r.comeBack()
				}
			}
		}
	}
	s.mergeAll()
	for _, r := range s.regs {
		if !r.joined {
			continue
		}
		r.checkAll()
		for p, vs := range r.alive {
			if len(vs) != len(s.all.alive[p]) {
				s.fail("the map of %d lacks or keeps %s", r.id, names[p])
			}
		}
		if whole {
			r.merged, r.backup = vector{}, nil
		}
	}
	if whole {
		s.log, s.base = [maxLogs][]*delta{}, s.all.alive
	}
}

func (s *sim) mergeAll() {
	for _, r := range s.regs {
		for _, o := range s.regs {
			if !r.joined || !o.joined {
				continue
			}
			r.meet(o)
			r.merge(o.merged, never)
		}
	}
}
