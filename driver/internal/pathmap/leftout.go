package pathmap

import (
	"crypto/sha256"
	"maps"
	"strings"

	"github.com/tidwall/btree"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/membership"
)

// leftOut is what is alive and stays out of the map all the same: what those wrote who are revoked, after the
// moment that their revocation names. No reader sees it, and it counts nowhere. The changes that carry it are
// merged like all others, and whether a version stays out follows from the version and from the revocations
// alone: so all registries leave out the same, in whatever order they hear of things.
type leftOut struct {
	out       *btree.Map[string, packed] // paths and settings
	outDigest [sha256.Size]byte          // as digest, of what stays out
	moments   map[string]uint64          // as membership.Moments gives them; it is never changed
	news      bool                       // revocations came or went since moments was made
}

func newLeftOut() leftOut { return leftOut{out: btree.NewMap[string, packed](4)} }

// staysOut reports whether a version is one of those that stay out.
func (l *leftOut) staysOut(v version) bool {
	if len(l.moments) == 0 {
		return false
	}
	upTo, revoked := l.moments[peerOf(v.writer)]
	return revoked && v.counter > upTo
}

// isRevocation reports whether a path is the setting that revokes a registry.
func isRevocation(path string) bool { return strings.HasPrefix(path, revocationMark) }

const (
	revocations    = settingMark + membership.RevokedFamily
	revocationMark = revocations + "/"
)

// sift puts each version where it belongs by the revocations that there are now. It goes through the whole map
// when a moment is new, and does nothing otherwise. back are the paths of which something stays out no more.
func (s *snapshot) sift() (back []string) {
	if !s.news {
		return nil
	}
	before, now := s.leftOut, leftOut{moments: membership.Moments(View{s}.Revocations())}
	if !maps.Equal(before.moments, now.moments) {
		moved := s.siftedOut(&before, &now)
		for _, m := range moved {
			s.remove(m.path, m.version)
		}
		s.moments = now.moments
		for _, m := range moved {
			s.set(m.path, m.version, []byte(m.value()))
			if !isSetting(m.path) && !s.staysOut(m.version) {
				back = append(back, m.path)
			}
		}
	}
	s.news = false
	return back
}

// at is a version of a path.
type at struct {
	path string
	stored
}

// siftedOut are the versions that stay out by one of two sets of moments and not by the other.
func (s *snapshot) siftedOut(before, now *leftOut) (moved []at) {
	if !s.writers.any(func(writer string) bool {
		id := peerOf(writer)
		upTo, was := before.moments[id]
		next, is := now.moments[id]
		return was != is || upTo != next
	}) {
		return nil
	}
	visit := func(key string, p packed) bool {
		for len(p) > 0 {
			var st stored
			if st, p = s.writers.unpack(key, p); before.staysOut(st.version) != now.staysOut(st.version) {
				moved = append(moved, at{pathOf(key), st})
			}
		}
		return true
	}
	s.settings.Scan(visit)
	s.paths.Scan(visit)
	s.out.Scan(visit)
	return moved
}

// each calls f for all versions that are alive, those that stay out among them.
func (s *snapshot) each(f func(at)) {
	visit := func(key string, p packed) bool {
		for path := pathOf(key); len(p) > 0; {
			var st stored
			st, p = s.writers.unpack(key, p)
			f(at{path, st})
		}
		return true
	}
	s.settings.Scan(visit)
	s.paths.Scan(visit)
	s.out.Scan(visit)
}

// whole is the digest of all versions that are alive.
func (s *snapshot) whole() (d digest) {
	d.add(s.digest[:])
	d.add(s.outDigest[:])
	return d
}

// Revocations are all that were written, those that stay out among them: which count says
// membership.Effective.
func (v View) Revocations() (all []membership.Written) {
	take := func(key string, p packed) bool {
		id, ok := strings.CutPrefix(pathOf(key), revocationMark)
		for ok && len(p) > 0 {
			var st stored
			st, p = v.s.writers.unpack(key, p)
			text, _ := st.text()
			said, _ := membership.ReadRevocation(text) // of a later release: it counts all the same
			all = append(all, membership.Written{Revocation: said, ID: id, By: peerOf(st.writer), Counter: st.counter})
		}
		return ok
	}
	v.s.settings.Ascend(sortKey(revocationMark), take)
	v.s.out.Ascend(sortKey(revocationMark), take)
	return all
}

// LeavesOut reports whether versions are alive that stay out of the map, and that Expel would delete.
func (v View) LeavesOut() bool { return len(v.s.outFrom("", 1)) > 0 }
