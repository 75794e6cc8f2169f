package fleet

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Image is a manifest and its layers, all of one size.
type Image struct {
	tag    string
	config Blob
	layers []Blob
}

// Size is that of all layers.
func (i Image) Size() (sum int64) {
	for _, l := range i.layers {
		sum += l.size
	}
	return sum
}

// PushImage gives a registry a new image.
func (r *Registry) PushImage(ctx context.Context, layers int, size int64) (Image, error) {
	i := Image{config: NewBlob(100)}
	i.tag = strings.ReplaceAll(i.config.Digest, ":", "-")
	if _, err := r.Push(ctx, i.config); err != nil {
		return i, err
	}
	for range layers {
		l := NewBlob(size)
		if _, err := r.Push(ctx, l); err != nil {
			return i, err
		}
		i.layers = append(i.layers, l)
	}
	body := i.manifest()
	_, err := r.Do(ctx, http.MethodPut, "http://"+r.HTTP+"/v2/bench/manifests/"+i.tag, manifestType, bytes.NewReader(body), int64(len(body)), http.StatusCreated)
	return i, err
}

func (i Image) manifest() []byte {
	var layers []string
	for _, l := range i.layers {
		layers = append(layers, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}`, l.Digest, l.size))
	}
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":100},"layers":[%s]}`,
		manifestType, i.config.Digest, strings.Join(layers, ","))
}

// PullImage gets an image as docker does: its manifest, then so many layers at once. The
// time is that of the layers.
func (r *Registry) PullImage(ctx context.Context, i Image, atOnce int) (time.Duration, error) {
	if _, err := r.AwaitManifest(ctx, i.tag); err != nil {
		return 0, err
	}
	began := time.Now()
	var layers errgroup.Group
	layers.SetLimit(atOnce)
	for _, l := range i.layers {
		layers.Go(func() error { _, err := r.Pull(ctx, l); return err })
	}
	err := layers.Wait()
	return time.Since(began), err
}
