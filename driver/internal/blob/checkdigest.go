package blob

import (
	"fmt"
	"hash"

	"github.com/minio/sha256-simd"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// checkDigest is the second step: ErrDigestMismatch when the bytes are not those that were
// promised. It must be the digest for which they were hashed; an empty one promises nothing.
func (h hashed) checkDigest(want digest.Digest) error {
	if want != "" && h.digest != want {
		return fmt.Errorf("%w: want %s, bytes have %s", ErrDigestMismatch, want, h.digest)
	}
	return nil
}

// wholeHash is the hash of all the bytes that has to be taken beside those of the leaves, so
// that the digest can be checked; nil when there is nothing to check, or the only leaf's sum
// is the file's.
func wholeHash(want digest.Digest, size int64, f dag.Function) (hash.Hash, error) {
	if want == "" {
		return nil, nil
	}
	if err := want.Validate(); err != nil {
		return nil, fmt.Errorf("digest %q: %w", want, err)
	}
	if want.Algorithm() != digest.SHA256 {
		return want.Algorithm().Hash(), nil
	}
	if f == dag.SHA2 && size <= dag.LeafSize {
		return nil, nil
	}
	return sha256.New(), nil
}

// digestOf is the digest to compare with want: that of the whole, or of the only leaf.
func digestOf(want digest.Digest, whole hash.Hash, sums []byte) digest.Digest {
	if want == "" {
		return ""
	}
	if whole != nil {
		sums = whole.Sum(nil)
	}
	return digest.NewDigestFromBytes(want.Algorithm(), sums)
}
