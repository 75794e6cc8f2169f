package mark

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// id is a valid digest, in 32 bytes when it is one of sha256.
type id struct {
	sum   [sha256.Size]byte
	other digest.Digest // of another algorithm; empty: sum counts
}

// idOf is the id of a valid digest.
func idOf(d digest.Digest) (x id) {
	if d.Algorithm() == digest.SHA256 {
		_, _ = hex.Decode(x.sum[:], []byte(d.Encoded())) // it is valid
		return x
	}
	return id{other: d}
}

// parse is the id of what might be a digest. It spares those of sha256 a regular expression.
func parse(d digest.Digest) (x id, ok bool) {
	if encoded, is := strings.CutPrefix(string(d), "sha256:"); is && len(encoded) == hex.EncodedLen(len(x.sum)) {
		_, err := hex.Decode(x.sum[:], []byte(encoded))
		return x, err == nil
	}
	return id{other: d}, d.Validate() == nil
}

func (x id) digest() digest.Digest {
	if x.other != "" {
		return x.other
	}
	return digest.NewDigestFromBytes(digest.SHA256, x.sum[:])
}

// ids are digests: those of sha256 first.
type ids struct {
	sums   [][sha256.Size]byte
	others []digest.Digest
}

func (s *ids) add(x id) {
	if x.other != "" {
		s.others = append(s.others, x.other)
	} else {
		s.sums = append(s.sums, x.sum)
	}
}

func (s *ids) len() int { return len(s.sums) + len(s.others) }

func (s *ids) at(i int) id {
	if i < len(s.sums) {
		return id{sum: s.sums[i]}
	}
	return id{other: s.others[i-len(s.sums)]}
}

// bytes is about what they take of memory.
func (s *ids) bytes() int64 { return int64(cap(s.sums)*sha256.Size + cap(s.others)*160) }

// find gives the place of a digest in ids that were added in the order of a view, which
// lists the links of a repository, and the blobs of a root, by algorithm and then by sum.
func (s *ids) find(x id) (at int, ok bool) {
	if x.other != "" {
		at, ok = slices.BinarySearchFunc(s.others, x.other, cmp.Compare[digest.Digest])
		return len(s.sums) + at, ok
	}
	return slices.BinarySearchFunc(s.sums, x.sum, func(a, b [sha256.Size]byte) int { return bytes.Compare(a[:], b[:]) })
}
