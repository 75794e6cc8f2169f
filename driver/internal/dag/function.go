package dag

import (
	"fmt"
	"hash"

	"github.com/ipfs/go-cid"
	"github.com/minio/sha256-simd"
	"github.com/multiformats/go-multihash"
	"github.com/zeebo/blake3"
)

// Function is the hash function that names a blob's blocks, as its code in
// multiformats' table. Every function here gives 32 bytes. A CID says which one it
// was made with, so one store holds blobs of several.
type Function uint64

const (
	// SHA2 is sha2-256, the one of the profile unixfs-v1-2025, and the default.
	SHA2 Function = multihash.SHA2_256
	// BLAKE3 is blake3 with 32 bytes of output: faster where the processor has wide
	// vectors, and outside the profile.
	BLAKE3 Function = multihash.BLAKE3
)

// SumSize is the length in bytes of every function's sum.
const SumSize = sha256.Size

// Functions are all functions with which blobs can be named.
func Functions() []Function { return []Function{SHA2, BLAKE3} }

var functionNames = map[Function]string{SHA2: "sha2-256", BLAKE3: "blake3"}

// ParseFunction returns the function with that name in multiformats' table; false for one
// with which blobs cannot be named.
func ParseFunction(name string) (Function, bool) {
	for f, n := range functionNames {
		if n == name {
			return f, true
		}
	}
	return 0, false
}

// String is the name in multiformats' table.
func (f Function) String() string {
	if name, ok := functionNames[f]; ok {
		return name
	}
	return fmt.Sprintf("function 0x%x", uint64(f))
}

// Sum hashes a whole leaf. Any other function than BLAKE3 is taken for SHA2.
func (f Function) Sum(b []byte) [SumSize]byte {
	if f == BLAKE3 {
		return blake3.Sum256(b)
	}
	return sha256.Sum256(b)
}

// New returns a hash for bytes that arrive piece by piece.
func (f Function) New() hash.Hash {
	if f == BLAKE3 {
		return blake3.New()
	}
	return sha256.New()
}

// prefix is a block's CID without its sum.
func (f Function) prefix(codec uint64) cid.Prefix {
	return cid.Prefix{Version: 1, Codec: codec, MhType: uint64(f), MhLength: SumSize}
}

// LeafCID is the CIDv1 of a raw block with that sum.
func (f Function) LeafCID(sum []byte) cid.Cid {
	mh := make([]byte, 0, 2+SumSize)
	mh = append(mh, byte(f), SumSize) // both are one byte as varints
	return cid.NewCidV1(cid.Raw, append(mh, sum...))
}

// FunctionOf is the function with which a root of this store was made; false when c is no
// such root.
func FunctionOf(c cid.Cid) (Function, bool) {
	if !c.Defined() {
		return 0, false
	}
	return FunctionOfBlock(c, c.Prefix().Codec)
}

// FunctionOfBlock is the function with which a block of this store was named; false when c is no
// such block's CID.
func FunctionOfBlock(c cid.Cid, codec uint64) (Function, bool) {
	if !c.Defined() {
		return 0, false
	}
	p := c.Prefix()
	f := Function(p.MhType)
	_, known := functionNames[f]
	return f, known && p == f.prefix(codec)
}
