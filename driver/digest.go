package driver

import (
	"crypto/sha256"
	"encoding"
	"hash"
	"os"
	"path"
	"strconv"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
)

// registryDigest takes up the digest that distribution computed while it wrote an upload.
// distribution keeps the digest's state beside the upload, named by the number of bytes, so
// that it can go on later. There is no digest when no state covers all of the bytes.
func (s *store) registryDigest(upload string) (none blob.Seen) {
	info, err := os.Stat(s.localFile(upload))
	if err != nil {
		return none
	}
	h, err := readState(s.localFile(path.Join(path.Dir(upload), "hashstates", "sha256", strconv.FormatInt(info.Size(), 10))))
	if err != nil {
		return none
	}
	return blob.Seen{Sum: h, Size: info.Size()}
}

// readState reads a state of distribution's digest.
func readState(file string) (hash.Hash, error) {
	state, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	return h, h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state)
}
