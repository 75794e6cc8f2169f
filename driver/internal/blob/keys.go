package blob

import (
	"fmt"
	"path"
	"strings"

	"github.com/ipfs/boxo/datastore/dshelp"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/multiformats/go-multihash"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// Keys in the datastore. Leaves and inner blocks are kept for each root to which they
// belong, so that deleting one blob takes nothing from another, without reference counts.
const (
	versionName   = "/blob/version" // -> "1"
	rootPrefix    = "/blob/root"    // /<root> -> size: a blob in blobs/
	partialPrefix = "/blob/partial" // /<root> -> size: a blob on its way
	rottenPrefix  = "/blob/rotten"  // /<root> -> size: a blob whose file was set aside
	leafPrefix    = "/blob/leaf"    // /<multihash>/<root> -> number of the leaf
	innerPrefix   = "/blob/inner"   // /<multihash>/<root> -> the block
	extraPrefix   = "/blob/extra"   // /<multihash> -> a block of no blob
)

func rootKey(root cid.Cid) datastore.Key { return datastore.RawKey(rootPrefix + "/" + root.String()) }
func partialKey(root cid.Cid) datastore.Key {
	return datastore.RawKey(partialPrefix + "/" + root.String())
}

func rottenKey(root cid.Cid) datastore.Key {
	return datastore.RawKey(rottenPrefix + "/" + root.String())
}

func leafKey(mh multihash.Multihash, root string) datastore.Key {
	return datastore.RawKey(hashPrefix(leafPrefix, mh) + "/" + root)
}

func innerKey(mh multihash.Multihash, root string) datastore.Key {
	return datastore.RawKey(hashPrefix(innerPrefix, mh) + "/" + root)
}

func extraKey(mh multihash.Multihash) datastore.Key {
	return datastore.RawKey(hashPrefix(extraPrefix, mh))
}

func hashPrefix(prefix string, mh multihash.Multihash) string {
	return prefix + dshelp.MultihashToDsKey(mh).String()
}

// keyRoot gives the root that a key ends in.
func keyRoot(key string) (cid.Cid, error) {
	c, err := cid.Decode(path.Base(key))
	if err != nil {
		return cid.Undef, fmt.Errorf("key %s: %w", key, err)
	}
	return c, nil
}

// keyHash gives the multihash that follows prefix in a key.
func keyHash(prefix, key string) (multihash.Multihash, error) {
	name, _, _ := strings.Cut(strings.TrimPrefix(key, prefix+"/"), "/")
	mh, err := dshelp.DsKeyToMultihash(datastore.RawKey("/" + name))
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", key, err)
	}
	return mh, nil
}

// HereRecord is the key of the datastore, and its value, with which a Store records that a blob is here. Indexed
// reads it.
func HereRecord(ref dag.Ref) (key string, value []byte) {
	return rootKey(ref.CID).String(), number(ref.Size)
}

// Indexed reports whether a key of the datastore is one of a Store's: of what it can make again of
// its files. ref is the blob that the key records as being here, if it is of that kind.
func Indexed(key string, value []byte) (ref dag.Ref, indexed bool) {
	if !strings.HasPrefix(key, "/blob/") {
		return dag.Ref{}, false
	}
	if strings.HasPrefix(key, rootPrefix+"/") {
		c, errRoot := keyRoot(key)
		size, errSize := readNumber(value)
		if errRoot == nil && errSize == nil {
			ref = dag.Ref{CID: c, Size: size}
		}
	}
	return ref, true
}
