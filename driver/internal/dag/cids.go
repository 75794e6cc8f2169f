package dag

import (
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// InlineSize is the most bytes that an identity CID carries.
const InlineSize = 128

// Ref names a blob: the root of its DAG and its size in bytes.
type Ref struct {
	CID  cid.Cid
	Size int64
}

// Check refuses, with ErrBadDAG, a size that no blob has. A Ref comes from an entry or a member,
// either of which may say anything: nothing is allocated, and nobody asked, by a size before that.
func (r Ref) Check() error {
	if r.Size < 0 || r.Size > MaxSize {
		return fmt.Errorf("no blob has %d bytes, as %s is said to: %w", r.Size, r.CID, ErrBadDAG)
	}
	return nil
}

// Identity gives the CID that carries content inside itself; false when content
// is longer than InlineSize bytes. Such a CID has no file and nothing to fetch.
func Identity(content []byte) (cid.Cid, bool) {
	if len(content) > InlineSize {
		return cid.Undef, false
	}
	mh, err := multihash.Sum(content, multihash.IDENTITY, len(content))
	if err != nil {
		return cid.Undef, false
	}
	return cid.NewCidV1(cid.Raw, mh), true
}

// InlineBytes gives the content that c carries inside itself; false when c is no
// identity CID or carries more than InlineSize bytes.
func InlineBytes(c cid.Cid) ([]byte, bool) {
	if !c.Defined() || c.Prefix().MhType != multihash.IDENTITY {
		return nil, false
	}
	mh, err := multihash.Decode(c.Hash())
	if err != nil || mh.Length > InlineSize {
		return nil, false
	}
	return mh.Digest, true
}
