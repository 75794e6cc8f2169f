package lease_test

import "slices"

// checkManifest looks at a manifest that is live here. One that a client has deleted, though
// this registry has not heard of it yet, does not count.
func (r *registry) checkManifest(rev int) {
	i := slices.IndexFunc(r.alive[rev], func(v version) bool {
		return slices.Contains(r.s.all.alive[rev], v) && !r.s.excused(v)
	})
	if i < 0 {
		return
	}
	for _, p := range r.s.refs(rev) {
		if len(r.alive[p]) == 0 {
			r.s.fail("on %s manifest %s %v refers to %s, which is gone", r.name, names[rev], r.alive[rev][i], names[p])
		}
		if p < links && !slices.ContainsFunc(r.s.regs, func(o *registry) bool { return o.has[p] }) {
			r.s.fail("on %s manifest %s %v refers to blob %d, whose bytes are gone", r.name, names[rev], r.alive[rev][i], p)
		}
	}
}

func (r *registry) checkUsers(path int) {
	for rev := revs; rev < oblivio; rev++ {
		if len(r.alive[rev]) > 0 && slices.Contains(r.s.refs(rev), path) {
			r.checkManifest(rev)
		}
	}
}

// checkAll, when all have merged all: even what had been forgotten is whole, as far as its
// bytes are anywhere.
func (r *registry) checkAll() {
	for rev := revs; rev < oblivio; rev++ {
		r.checkManifest(rev)
		if len(r.alive[rev]) == 0 {
			continue
		}
		for _, p := range r.s.refs(rev) {
			blob := (p - links) % blobs
			if p < links {
				blob = p
			}
			if len(r.alive[p]) == 0 && r.s.regs[peerOf(newest(r.alive[rev]).writer)].has[blob] {
				r.s.fail("manifest %s %v refers to %s, which is gone for good", names[rev], r.alive[rev], names[p])
			}
		}
	}
}
