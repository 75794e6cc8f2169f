package lease_test

import (
	"iter"
	"slices"
	"strconv"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
)

// collect does the next part of a collection.
func (r *registry) collect() {
	s := r.s
	switch {
	case r.doomed != nil:
		r.deleteDoomed()
	case r.mark == nil:
		if s.chance(10) {
			r.mark = lease.NewMark(r.ran, r.counter, r.unused())
		}
	case r.due():
		r.secondView()
	}
}

// secondView chooses what goes.
func (r *registry) secondView() {
	r.unheard = lease.Unheard(r.known(), r.written())
	mark := r.mark
	if r.s.broken.markOnce {
		mark = lease.NewMark(r.ran, r.counter, r.unused())
	}
	r.doomed = []dot{}
	for path, versions := range mark.Expired(r.unused()) {
		p := slices.Index(names, path)
		for _, v := range r.alive[p] {
			if slices.Contains(versions, v.String()) {
				r.doomed = append(r.doomed, dot{p, v})
			}
		}
	}
	r.mark = nil
}

// due reports whether the second mark may be taken.
func (r *registry) due() bool {
	known := r.known()
	if r.s.broken.hearNobody {
		known = nil
	}
	heard := r.heard
	if r.s.broken.clocks {
		heard = map[string]lease.Hearing{r.name: {Asked: r.ran, Counter: r.mark.Counter}}
		for id, h := range r.heard {
			if h.Asked > r.mark.At.Add(r.grace/4) {
				heard[id] = lease.Hearing{Asked: h.Asked, Counter: r.mark.Counter}
			}
		}
	}
	until, missing := r.mark.Waits(r.ran, r.grace, slices.Values(known), heard)
	return until <= r.ran && len(missing) == 0
}

// deleteDoomed deletes by exact versions, a while after these were chosen. For each writer
// that was not waited for it leaves a record of how much of it had been merged.
func (r *registry) deleteDoomed() {
	d := &delta{}
	for _, x := range r.doomed {
		if slices.Contains(r.alive[x.path], x.version) {
			d.dels = append(d.dels, x)
		}
	}
	r.doomed = nil
	r.s.seen.collections++
	r.s.seen.deleted += len(d.dels)
	if len(d.dels) == 0 {
		return
	}
	if r.s.broken.recordLate {
		r.unheard = lease.Unheard(r.known(), r.written())
	}
	for id := range r.s.regs {
		seen, ok := r.unheard[strconv.Itoa(id)]
		record := oblivio + id
		if !ok {
			continue
		}
		for _, v := range r.alive[record] {
			seen = min(seen, v.value)
		}
		r.note()
		r.put(d, record, seen)
	}
	r.commit(d)
}

// dropSome looks whether the bytes of a blob may go.
func (r *registry) dropSome() {
	b := r.s.rng.IntN(blobs)
	if !r.has[b] || r.pins[b] > 0 {
		return
	}
	if r.named(b) {
		r.last[b] = r.ran
		return
	}
	known := slices.Values(r.known())
	if r.s.broken.bytesUnheard {
		known = slices.Values([]string(nil))
	}
	if !r.s.broken.bytesAtOnce && !lease.BytesMayGo(r.last[b], r.ran, r.grace, known, r.heard) {
		return
	}
	r.has[b] = false
	r.s.seen.dropped++
	for _, o := range r.s.regs {
		o.checkUsers(dataOf(b))
	}
}

// named reports whether an entry, or a live manifest, names a blob here.
func (r *registry) named(b int) bool {
	if len(r.alive[dataOf(b)]) > 0 {
		return true
	}
	for rev := revs; rev < oblivio; rev++ {
		if len(r.alive[rev]) > 0 && slices.Contains(r.s.refs(rev), dataOf(b)) {
			return !r.s.broken.bytesAtOnce
		}
	}
	return false
}

// returns writes anew what rule 5 says, once the reliances have ended that may count on what
// was deleted.
func (r *registry) returns() {
	if len(r.forgottenWriters()) == 0 {
		r.returning = false
		return
	}
	if !r.returning {
		r.returning, r.returnUpTo = true, r.reliances.Begun()
	}
	if r.reliances.Settled(r.returnUpTo) {
		r.returning = false
		r.comeBack()
	}
}

// forgottenWriters are those of which the map has a record.
func (r *registry) forgottenWriters() map[string]uint64 {
	all := map[string]uint64{}
	for id := range r.s.regs {
		for _, v := range r.alive[oblivio+id] {
			name := strconv.Itoa(id)
			if old, ok := all[name]; !ok || v.value < old {
				all[name] = v.value
			}
		}
	}
	return all
}

// comeBack writes anew what is missing, and, where this registry itself was forgotten,
// removes the record.
func (r *registry) comeBack() {
	d := &delta{}
	done := map[string]bool{}
	for path := range lease.Missing(r.forgottenWriters(), r.manifests()) {
		if !done[path] {
			r.note()
			r.put(d, slices.Index(names, path), 0)
		}
		done[path] = true
	}
	r.s.seen.returned += len(done)
	for _, v := range r.alive[oblivio+r.id] {
		d.dels = append(d.dels, dot{oblivio + r.id, v})
	}
	r.commit(d)
}

func (r *registry) manifests() iter.Seq[lease.Manifest] {
	return func(yield func(lease.Manifest) bool) {
		for rev := revs; rev < oblivio; rev++ {
			if len(r.alive[rev]) == 0 {
				continue
			}
			v := newest(r.alive[rev])
			m := lease.Manifest{Writer: strconv.Itoa(peerOf(v.writer)), Counter: v.counter}
			for _, p := range r.s.refs(rev) {
				blob := (p - links) % blobs
				if p < links {
					blob = p
				}
				m.Refs = append(m.Refs, lease.Ref{Path: names[p], Alive: len(r.alive[p]) > 0, Here: r.has[blob]})
			}
			if !yield(m) {
				return
			}
		}
	}
}
