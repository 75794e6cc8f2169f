package fleet

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net/http"
	"time"
)

// Blob is generated from its seed whenever it is read, so that none is held in memory.
type Blob struct {
	seed   [32]byte
	size   int64
	Digest string
}

// NewBlob is a blob of random bytes.
func NewBlob(size int64) Blob {
	b := NewSeed(size)
	h := sha256.New()
	_, _ = io.Copy(h, b.Reader())
	b.Digest = "sha256:" + hex.EncodeToString(h.Sum(nil))
	return b
}

// NewSeed is a blob whose digest is not needed.
func NewSeed(size int64) Blob {
	b := Blob{size: size}
	_, _ = rand.Read(b.seed[:]) // reading it never fails
	return b
}

// Reader gives its bytes.
func (b Blob) Reader() io.Reader { return io.LimitReader(mrand.NewChaCha8(b.seed), b.size) }

// Push uploads a blob in one chunk and times the whole of it.
func (r *Registry) Push(ctx context.Context, b Blob) (time.Duration, error) {
	began := time.Now()
	location, err := r.Do(ctx, http.MethodPost, "http://"+r.HTTP+"/v2/bench/blobs/uploads/", "", nil, 0, http.StatusAccepted)
	if err != nil {
		return 0, err
	}
	_, err = r.Do(ctx, http.MethodPut, location+"&digest="+b.Digest, "application/octet-stream", b.Reader(), b.size, http.StatusCreated)
	return time.Since(began), err
}

// Do sends a request whose answer must have the wanted status, and returns its Location.
func (r *Registry) Do(ctx context.Context, method, url, contentType string, body io.Reader, size int64, want int) (location string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return "", err
	}
	req.ContentLength = size
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := r.Client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != want {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return "", fmt.Errorf("%s on %s: %s %s", method, r.Name, resp.Status, text)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.Header.Get("Location"), err
}

// Patience is how long a push may take to be known elsewhere.
const Patience = 30 * time.Second

// Pull downloads a blob and checks its length; its bytes were verified by the registry that
// fetched them.
func (r *Registry) Pull(ctx context.Context, b Blob) (time.Duration, error) {
	return r.read(ctx, b, "", http.StatusOK, b.size)
}

// touch asks for the first byte of a blob only, which is what starts its transfer.
func (r *Registry) touch(ctx context.Context, b Blob) (time.Duration, error) {
	return r.read(ctx, b, "bytes=0-0", http.StatusPartialContent, 1)
}

// read gets a blob, or a range of it, as soon as the registry has heard of it.
func (r *Registry) read(ctx context.Context, b Blob, ranges string, want int, size int64) (time.Duration, error) {
	began := time.Now()
	deadline := began.Add(Patience)
	for {
		n, status, err := r.request(ctx, http.MethodGet, "/v2/bench/blobs/"+b.Digest, ranges)
		switch {
		case err != nil:
			return 0, err
		case status == http.StatusNotFound && time.Now().Before(deadline):
			continue // not heard of yet
		case status != want || n != size:
			return 0, fmt.Errorf("pull from %s: status %d, %d of %d bytes", r.Name, status, n, size)
		}
		return time.Since(began), nil
	}
}

// request reads an answer to its end.
func (r *Registry) request(ctx context.Context, method, path, ranges string) (n int64, status int, err error) {
	resp, err := r.Open(ctx, method, path, ranges)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	n, err = io.Copy(io.Discard, resp.Body)
	return n, resp.StatusCode, err
}

// Open sends a request; the caller closes the body.
func (r *Registry) Open(ctx context.Context, method, path, ranges string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+r.HTTP+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", manifestType)
	if ranges != "" {
		req.Header.Set("Range", ranges)
	}
	return r.Client.Do(req)
}

const manifestType = "application/vnd.oci.image.manifest.v1+json"

// ManifestOf is a small image's manifest.
type ManifestOf struct {
	Config Blob
	Tag    string
	Unique string // makes it another one
}

// PushConfig pushes what the manifests of a test have as their config.
func (r *Registry) PushConfig(ctx context.Context) (Blob, error) {
	config := NewBlob(100)
	_, err := r.Push(ctx, config)
	return config, err
}

// Put pushes a manifest.
func (r *Registry) Put(ctx context.Context, m ManifestOf) error {
	body := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":100},"layers":[],"annotations":{"unique":%q}}`,
		manifestType, m.Config.Digest, m.Unique)
	_, err := r.Do(ctx, http.MethodPut, "http://"+r.HTTP+"/v2/bench/manifests/"+m.Tag, manifestType, bytes.NewReader(body), int64(len(body)), http.StatusCreated)
	return err
}

// Ask is a GET or HEAD of a manifest that is there.
func (r *Registry) Ask(ctx context.Context, method string, m ManifestOf) error {
	_, status, err := r.request(ctx, method, "/v2/bench/manifests/"+m.Tag, "")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s of a manifest on %s: status %d", method, r.Name, status)
	}
	return err
}

// AwaitManifest asks until the tag is there.
func (r *Registry) AwaitManifest(ctx context.Context, tag string) (time.Duration, error) {
	began := time.Now()
	for time.Since(began) < Patience {
		_, status, err := r.request(ctx, http.MethodGet, "/v2/bench/manifests/"+tag, "")
		if err != nil {
			return 0, err
		}
		if status == http.StatusOK {
			return time.Since(began), nil
		}
	}
	return 0, fmt.Errorf("tag %s never appeared on %s", tag, r.Name)
}
