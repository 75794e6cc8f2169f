package blob

import (
	"fmt"
	"hash"

	"github.com/minio/sha256-simd"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// checkDigest is the second step: ErrDigestMismatch when the bytes do not have the digest
// want, which must be the one for which they were hashed. An empty want checks nothing.
func (h hashed) checkDigest(want digest.Digest) error {
	if want != "" && h.digest != want {
		return fmt.Errorf("%w: want %s, bytes have %s", ErrDigestMismatch, want, h.digest)
	}
	return nil
}

// wholeHash is a hash of all the bytes, which has to be computed in addition to those of the
// leaves to check the digest; nil when there is nothing to check, or the only leaf's sum is
// the file's.
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
