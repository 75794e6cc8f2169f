package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// image is a manifest and its layers, all of one size.
type image struct {
	tag    string
	config blob
	layers []blob
}

func (i image) size() (sum int64) {
	for _, l := range i.layers {
		sum += l.size
	}
	return sum
}

// pushImage gives a registry a new image.
func (r *registry) pushImage(ctx context.Context, layers int, size int64) (image, error) {
	i := image{config: newBlob(100)}
	i.tag = strings.ReplaceAll(i.config.digest, ":", "-")
	if _, err := r.push(ctx, i.config); err != nil {
		return i, err
	}
	for range layers {
		l := newBlob(size)
		if _, err := r.push(ctx, l); err != nil {
			return i, err
		}
		i.layers = append(i.layers, l)
	}
	body := i.manifest()
	_, err := r.do(ctx, http.MethodPut, "http://"+r.HTTP+"/v2/bench/manifests/"+i.tag, manifestType, bytes.NewReader(body), int64(len(body)), http.StatusCreated)
	return i, err
}

func (i image) manifest() []byte {
	var layers []string
	for _, l := range i.layers {
		layers = append(layers, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}`, l.digest, l.size))
	}
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":100},"layers":[%s]}`,
		manifestType, i.config.digest, strings.Join(layers, ","))
}

// pullImage gets an image as docker does: its manifest, then so many layers at once. The
// time is that of the layers.
func (r *registry) pullImage(ctx context.Context, i image, atOnce int) (time.Duration, error) {
	if _, err := r.awaitManifest(ctx, i.tag); err != nil {
		return 0, err
	}
	began := time.Now()
	var layers errgroup.Group
	layers.SetLimit(atOnce)
	for _, l := range i.layers {
		layers.Go(func() error { _, err := r.pull(ctx, l); return err })
	}
	err := layers.Wait()
	return time.Since(began), err
}
