package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

// pushes pushes images from several clients at once, and writes down what was acknowledged.
type pushes struct {
	base   string
	client *http.Client
	book   *book
	big    bool // layers that fill the disk

	cancel context.CancelFunc
	wg     sync.WaitGroup
}

const clients = 4

func push(ctx context.Context, r *process.Registry, b *book, random *rand.Rand, big bool) *pushes {
	ctx, cancel := context.WithCancel(ctx)
	p := &pushes{base: "http://" + r.HTTP, client: client(), book: b, big: big, cancel: cancel}
	for n := range clients {
		own := rand.New(rand.NewPCG(random.Uint64(), uint64(n)))
		p.wg.Go(func() {
			for ctx.Err() == nil {
				if p.image(ctx, own, n) != nil {
					pause(own, 5*time.Millisecond, 30*time.Millisecond)
				}
			}
		})
	}
	return p
}

// stop waits for the clients, and cuts off their requests under way.
func (p *pushes) stop() {
	p.cancel()
	p.wg.Wait()
	p.client.CloseIdleConnections()
}

// refused is an answer that is not the one a push waits for.
type refused struct {
	what   string
	status int
}

func (e *refused) Error() string { return fmt.Sprintf("%s: %d", e.what, e.status) }

// image pushes a layer, a config, and a manifest, under a tag that is new or was pushed before.
func (p *pushes) image(ctx context.Context, random *rand.Rand, client int) error {
	repo := fmt.Sprintf("team/app%d", random.IntN(5))
	layer := noise(random, p.layerSize(random))
	config := noise(random, 200+random.IntN(2000))
	for _, content := range [][]byte{layer, config} {
		if err := p.blob(ctx, random, repo, content); err != nil {
			return p.book.failed(err)
		}
	}
	manifest := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		Config: descriptor(v1.MediaTypeImageConfig, config), Layers: []v1.Descriptor{descriptor(v1.MediaTypeImageLayer, layer)},
	}
	body, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	tag := fmt.Sprintf("t%d", random.Uint32())
	if random.IntN(3) == 0 {
		tag = fmt.Sprintf("moving%d.%d", client, random.IntN(4))
	}
	return p.book.failed(p.manifest(ctx, repo, tag, body))
}

func (p *pushes) layerSize(random *rand.Rand) int {
	switch {
	case p.big:
		return 4<<20 + random.IntN(12<<20)
	case random.IntN(20) == 0:
		return random.IntN(2 << 20)
	}
	return 1 + random.IntN(32<<10)
}

func descriptor(media string, content []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: media, Digest: digest.FromBytes(content), Size: int64(len(content))}
}

func noise(random *rand.Rand, n int) []byte {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		for j, v := 0, random.Uint64(); j < 8; j, v = j+1, v>>8 {
			b[i+j] = byte(v)
		}
	}
	return b[:n]
}

// blob uploads in one request or in two.
func (p *pushes) blob(ctx context.Context, random *rand.Rand, repo string, content []byte) error {
	at, err := p.send(ctx, "POST", fmt.Sprintf("%s/v2/%s/blobs/uploads/", p.base, repo), "", nil, http.StatusAccepted)
	if err != nil {
		return err
	}
	rest := content
	if random.IntN(2) == 0 {
		if at, err = p.send(ctx, "PATCH", at, "application/octet-stream", content, http.StatusAccepted); err != nil {
			return err
		}
		rest = nil
	}
	d := digest.FromBytes(content)
	sep := "?"
	if strings.Contains(at, "?") {
		sep = "&"
	}
	if _, err := p.send(ctx, "PUT", at+sep+"digest="+url.QueryEscape(d.String()), "application/octet-stream", rest, http.StatusCreated); err != nil {
		return err
	}
	p.book.blob(repo, d, len(content))
	return nil
}

// manifest pushes a manifest, and writes it down before sending it: a push that was not
// acknowledged may have been stored, and then the tag leads to it.
func (p *pushes) manifest(ctx context.Context, repo, tag string, body []byte) error {
	d := digest.FromBytes(body)
	acknowledged := p.book.trying(repo, tag, d)
	if _, err := p.send(ctx, "PUT", fmt.Sprintf("%s/v2/%s/manifests/%s", p.base, repo, tag), v1.MediaTypeImageManifest, body, http.StatusCreated); err != nil {
		return err
	}
	acknowledged()
	return nil
}

func (p *pushes) send(ctx context.Context, method, to, media string, body []byte, want int) (location string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	err = errors.Join(err, resp.Body.Close())
	if resp.StatusCode != want {
		return "", &refused{method, resp.StatusCode}
	}
	at, _ := resp.Location()
	if at != nil {
		location = at.String()
	}
	return location, err
}
