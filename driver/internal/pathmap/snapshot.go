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
	digest   [sha256.Size]byte // XOR of the sums of all live versions, but those that stay out
	leftOut
}

func newSnapshot() *snapshot {
	return &snapshot{
		paths: btree.NewMap[string, packed](64), settings: btree.NewMap[string, packed](4),
		writers: newWriters(), leftOut: newLeftOut(),
	}
}

func (s *snapshot) clone() *snapshot {
	c := *s
	c.paths, c.out = s.paths.Copy(), s.out.Copy()
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
	s.toWrite(path, v).Set(key, s.writers.pack(old, key, v, value))
	s.news = s.news || isRevocation(path)
}

// toWrite is the tree that a version is written to.
func (s *snapshot) toWrite(path string, v version) *btree.Map[string, packed] {
	if isSetting(path) && !s.staysOut(v) {
		s.settings = s.settings.Copy()
	}
	return s.tree(path, v)
}

// tree is where a version of a path, or of a setting, is if it is alive.
func (s *snapshot) tree(path string, v version) *btree.Map[string, packed] {
	switch {
	case s.staysOut(v):
		return s.out
	case isSetting(path):
		return s.settings
	}
	return s.paths
}

// remove drops one version of a path, if it is there.
func (s *snapshot) remove(path string, v version) {
	key := sortKey(path)
	old, _ := s.tree(path, v).Get(key)
	switch kept := s.without(path, key, v); {
	case len(kept) == len(old):
		return
	case len(kept) == 0:
		s.toWrite(path, v).Delete(key)
	default:
		s.toWrite(path, v).Set(key, kept)
	}
	s.news = s.news || isRevocation(path)
}

// without returns the versions of a path except one, of those that are kept where that one is, and takes its sum
// out of the digest.
func (s *snapshot) without(path, key string, v version) (kept packed) {
	for p, _ := s.tree(path, v).Get(key); len(p) > 0; {
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
	of := &s.digest
	if s.staysOut(v) {
		of = &s.outDigest
	}
	for i := range sum {
		of[i] ^= sum[i]
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
