package load

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image is an image, or an index, that a client pushed.
type Image struct {
	Repo, Digest string
	Parts        []string // digests of its own bytes and of the blobs that it is made of
	Children     []string // of an index: digests of images
	again        bool     // it is pushed again after it was deleted

	img v1.Image
	idx v1.ImageIndex
}

const bases = 12 // layers that images of all clients share

// base is a layer that others use, too: always the same bytes.
func (l *Load) base(n int) v1.Layer {
	random := rand.New(rand.NewPCG(l.seed, uint64(n)))
	return layer(random, 4<<10<<(n%9)) // 4 KiB to 1 MiB
}

// turned is a layer that two clients push and delete by turns.
func (l *Load) turned(pair, n int) v1.Layer {
	random := rand.New(rand.NewPCG(l.seed, uint64(500+cycles*pair+n)))
	return layer(random, 20<<10<<(2*n))
}

func layer(random *rand.Rand, size int) v1.Layer {
	var seed [32]byte
	for i := range 4 {
		binary.LittleEndian.PutUint64(seed[8*i:], random.Uint64())
	}
	content := make([]byte, size)
	_, _ = rand.NewChaCha8(seed).Read(content) // it never fails
	return static.NewLayer(content, types.OCILayer)
}

// size draws how big a layer is: mostly small, seldom of several leaves.
func size(random *rand.Rand) int {
	switch random.IntN(20) {
	case 0:
		return 1<<20 + random.IntN(3<<20)
	case 1, 2, 3:
		return 64<<10 + random.IntN(512<<10)
	}
	return 1 + random.IntN(64<<10)
}

// image makes an image of these layers, whose config nobody else has.
func image(repo, name string, layers ...v1.Layer) (*Image, error) {
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	img, err := mutate.Config(img, v1.Config{Labels: map[string]string{"name": name}})
	if err == nil {
		img, err = mutate.AppendLayers(img, layers...)
	}
	if err != nil {
		return nil, err
	}
	m, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	i := &Image{Repo: repo, Digest: digest.String(), Parts: []string{digest.String(), m.Config.Digest.String()}, img: img}
	for _, layer := range m.Layers {
		i.Parts = append(i.Parts, layer.Digest.String())
	}
	return i, nil
}

// index makes an index of images.
func index(repo, name string, images ...*Image) (*Image, error) {
	idx := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	i := &Image{Repo: repo}
	for _, child := range images {
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{Add: child.img})
		i.Children = append(i.Children, child.Digest)
	}
	named, ok := mutate.Annotations(idx, map[string]string{"name": name}).(v1.ImageIndex)
	if !ok {
		return nil, fmt.Errorf("an index with annotations is none")
	}
	digest, err := named.Digest()
	if err != nil {
		return nil, err
	}
	i.Digest, i.Parts, i.idx = digest.String(), []string{digest.String()}, named
	return i, nil
}
