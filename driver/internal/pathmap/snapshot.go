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
	sum   [sha256.Size]byte // of key and value, for the digest
}

// snapshot is the map at one moment: paths in component order, each with its
// live versions. A published snapshot is never changed.
type snapshot struct {
	paths    *btree.Map[string, []stored]
	settings *btree.Map[string, []stored] // copied when it is written: it is small
	versions int
	digest   [sha256.Size]byte // XOR of the sums of all live versions
}

func newSnapshot() *snapshot {
	return &snapshot{paths: btree.NewMap[string, []stored](64), settings: btree.NewMap[string, []stored](4)}
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

// past is the least key behind everything at and below key.
func past(key string) string { return key + "\x01" }

// winner is the greatest version.
func winner(vs []stored) stored {
	best := vs[0]
	for _, v := range vs[1:] {
		if best.version.less(v.version) {
			best = v
		}
	}
	return best
}

// set adds or replaces one version of a path.
func (s *snapshot) set(path string, v version, value []byte) {
	s.remove(path, v)
	st := stored{version: v}
	st.entry, st.err = UnmarshalEntry(value)
	st.sum = sha256.Sum256(append([]byte(keyOf(path, v).String()+"\x00"), value...))
	s.toggle(st.sum)
	s.versions++
	old := s.versionsOf(path)
	s.ofKind(path).Set(sortKey(path), append(append(make([]stored, 0, len(old)+1), old...), st))
}

// ofKind is the tree that a path, or a setting, is written to.
func (s *snapshot) ofKind(path string) *btree.Map[string, []stored] {
	if !isSetting(path) {
		return s.paths
	}
	s.settings = s.settings.Copy()
	return s.settings
}

// remove drops one version of a path, if it is there.
func (s *snapshot) remove(path string, v version) {
	old := s.versionsOf(path)
	if len(old) == 0 {
		return
	}
	kept := make([]stored, 0, len(old))
	for _, st := range old {
		if st.version != v {
			kept = append(kept, st)
			continue
		}
		s.toggle(st.sum)
		s.versions--
	}
	if len(kept) == 0 {
		s.ofKind(path).Delete(sortKey(path))
		return
	}
	s.ofKind(path).Set(sortKey(path), kept)
}

func (s *snapshot) toggle(sum [sha256.Size]byte) {
	for i := range sum {
		s.digest[i] ^= sum[i]
	}
}

func (s *snapshot) hexDigest() string { return hex.EncodeToString(s.digest[:]) }

func (s *snapshot) versionsOf(path string) []stored {
	tree := s.paths
	if isSetting(path) {
		tree = s.settings
	}
	vs, _ := tree.Get(sortKey(path))
	return vs
}
