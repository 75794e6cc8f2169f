package lease

// Reliances are those under way: each from before a request looks up an entry until the
// version, or the manifest, that relies on it is on disk or given up. The zero value is
// ready; it is for one goroutine at a time.
type Reliances struct {
	begun uint64
	open  map[uint64]struct{}
}

// Begin begins one, and returns its number for End.
func (r *Reliances) Begin() uint64 {
	if r.open == nil {
		r.open = map[uint64]struct{}{}
	}
	r.begun++
	r.open[r.begun] = struct{}{}
	return r.begun
}

// End ends the one with that number. It may be called more than once.
func (r *Reliances) End(n uint64) { delete(r.open, n) }

// Begun is the number of the last one that began; 0 when none has.
func (r *Reliances) Begun() uint64 { return r.begun }

// Settled reports whether all up to a number have ended.
func (r *Reliances) Settled(upTo uint64) bool {
	for n := range r.open {
		if n <= upTo {
			return false
		}
	}
	return true
}
