package main_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// A registry that dies after a push leaves tags that resolve: manifests, indexes and
// configs are on all others by then, and come from them to one that was away.
func TestTagsResolveWithoutTheRegistryTheyWerePushedTo(t *testing.T) {
	ps := swarm(t, 3)
	a, b, c := ps[0], ps[1], ps[2]
	c.Kill()
	img := push(t, a, "app:1")
	index := pushIndex(t, a, "app:all", img)
	small := smallBlobs(t, img, index)
	await(t, "the second registry has all that is small", func() bool { return hasBlobs(t, b, small) })
	a.Kill()
	resolves(t, b, img)
	c.start()
	await(t, "so has the one that was away", func() bool { return hasBlobs(t, c, small) })
	b.Kill()
	resolves(t, c, img)
}

func pushIndex(t *testing.T, p *process, to string, img v1.Image) v1.ImageIndex {
	t.Helper()
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img})
	ref, err := name.ParseReference(p.HTTP+"/"+to, name.Insecure)
	if err == nil {
		err = remote.WriteIndex(ref, index)
	}
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// smallBlobs are the digests that every registry is to have.
func smallBlobs(t *testing.T, img v1.Image, index v1.ImageIndex) []v1.Hash {
	t.Helper()
	var all []v1.Hash
	for _, digest := range []func() (v1.Hash, error){img.Digest, img.ConfigName, index.Digest} {
		d, err := digest()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

// hasBlobs reports whether blobs of one leaf, whose CIDs follow from their digests, are
// on a registry's disk.
func hasBlobs(t *testing.T, p *process, digests []v1.Hash) bool {
	t.Helper()
	for _, d := range digests {
		raw, err := hex.DecodeString(d.Hex)
		if err != nil {
			t.Fatal(err)
		}
		mh, err := multihash.Encode(raw, multihash.SHA2_256)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(p.Data, "blobs", cid.NewCidV1(cid.Raw, mh).String())
		if _, err := os.Stat(file); err != nil {
			return false
		}
	}
	return true
}

func resolves(t *testing.T, p *process, img v1.Image) {
	t.Helper()
	want, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := crane.Config(p.HTTP+"/app:1", crane.Insecure); err != nil || string(got) != string(want) {
		t.Fatalf("the config is %d bytes, %v", len(got), err)
	}
	if _, err := crane.Manifest(p.HTTP+"/app:all", crane.Insecure); err != nil {
		t.Fatal(err)
	}
}
