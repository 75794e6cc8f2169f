package pathmap

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/tidwall/btree"
)

// stored is one live version of a path. err is ErrNewerEntry when this release
// cannot read it.
type stored struct {
	version
	entry Entry
	err   error
	raw   string // the value, when it differs from the entry's own encoding
}

func (st stored) value() string {
	if st.raw != "" {
		return st.raw
	}
	return string(st.entry.Marshal())
}

// snapshot is the map at one moment: paths in component order, each with its
// live versions. A published snapshot is never changed.
type snapshot struct {
	paths    *btree.Map[string, packed]
	settings *btree.Map[string, packed] // copied when it is written: it is small
	writers  *writers
	digest   [sha256.Size]byte // XOR of the sums of all live versions
}

func newSnapshot() *snapshot {
	return &snapshot{
		paths: btree.NewMap[string, packed](64), settings: btree.NewMap[string, packed](4),
		writers: newWriters(),
	}
}

func (s *snapshot) clone() *snapshot {
	c := *s
	c.paths = s.paths.Copy()
	return &c
}

// sortKey orders paths by component: a directory's children come before a
// sibling whose name merely begins like the directory's.
func sortKey(path string) string { return strings.ReplaceAll(path, "/", "\x00") }
func pathOf(key string) string   { return strings.ReplaceAll(key, "\x00", "/") }

// past is the least key that comes after everything at and below key.
func past(key string) string { return key + "\x01" }

// set adds or replaces one version of a path.
func (s *snapshot) set(path string, v version, value []byte) {
	key := sortKey(path)
	old := s.without(path, key, v)
	s.toggle(path, v, string(value))
	s.ofKind(path).Set(key, s.writers.pack(old, key, v, value))
}

// ofKind is the tree that a path, or a setting, is written to.
func (s *snapshot) ofKind(path string) *btree.Map[string, packed] {
	if !isSetting(path) {
		return s.paths
	}
	s.settings = s.settings.Copy()
	return s.settings
}

// remove drops one version of a path, if it is there.
func (s *snapshot) remove(path string, v version) {
	key := sortKey(path)
	old := s.packedAt(path, key)
	switch kept := s.without(path, key, v); {
	case len(kept) == len(old):
	case len(kept) == 0:
		s.ofKind(path).Delete(key)
	default:
		s.ofKind(path).Set(key, kept)
	}
}

// without returns the versions of a path except one, and takes the sum of that one out of the
// digest.
func (s *snapshot) without(path, key string, v version) (kept packed) {
	for p := s.packedAt(path, key); len(p) > 0; {
		st, rest := s.writers.unpack(key, p)
		if st.version == v {
			s.toggle(path, v, st.value())
		} else {
			kept += p[:len(p)-len(rest)]
		}
		p = rest
	}
	return kept
}

// toggle adds a version to the digest, or takes it away.
func (s *snapshot) toggle(path string, v version, value string) {
	sum := sha256.Sum256([]byte(keyOf(path, v).String() + "\x00" + value))
	for i := range sum {
		s.digest[i] ^= sum[i]
	}
}

func (s *snapshot) hexDigest() string { return hex.EncodeToString(s.digest[:]) }

func (s *snapshot) packedAt(path, key string) packed {
	tree := s.paths
	if isSetting(path) {
		tree = s.settings
	}
	p, _ := tree.Get(key)
	return p
}

func (s *snapshot) versionsOf(path string) []stored {
	key := sortKey(path)
	return s.unpackAll(key, s.packedAt(path, key))
}

func (s *snapshot) unpackAll(key string, p packed) (vs []stored) {
	for len(p) > 0 {
		var st stored
		st, p = s.writers.unpack(key, p)
		vs = append(vs, st)
	}
	return vs
}

// winner is the greatest of a path's versions, of which there is at least one.
func (s *snapshot) winner(key string, p packed) stored {
	best, p := s.writers.unpack(key, p)
	for len(p) > 0 {
		var st stored
		if st, p = s.writers.unpack(key, p); best.less(st.version) {
			best = st
		}
	}
	return best
}

// entries appends those of a path's versions that can be read, the greatest first.
func (s *snapshot) entries(to []Entry, key string, p packed) (_ []Entry, err error) {
	var best version
	for len(p) > 0 {
		var st stored
		if st, p = s.writers.unpack(key, p); st.err != nil {
			err = st.err
			continue
		}
		to = append(to, st.entry)
		if last := len(to) - 1; last == 0 || best.less(st.version) {
			best = st.version
			to[0], to[last] = to[last], to[0]
		}
	}
	return to, err
}
