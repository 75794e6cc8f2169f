package main

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

// blob is made anew from its seed whenever it is read, so that no blob is held
// in memory.
type blob struct {
	seed   [32]byte
	size   int64
	digest string
}

func newBlob(size int64) blob {
	b := newSeed(size)
	h := sha256.New()
	_, _ = io.Copy(h, b.reader())
	b.digest = "sha256:" + hex.EncodeToString(h.Sum(nil))
	return b
}

// newSeed is a blob whose digest is not needed.
func newSeed(size int64) blob {
	b := blob{size: size}
	_, _ = rand.Read(b.seed[:]) // reading it never fails
	return b
}

func (b blob) reader() io.Reader { return io.LimitReader(mrand.NewChaCha8(b.seed), b.size) }

// push uploads a blob in one chunk and times the whole of it.
func (r *registry) push(ctx context.Context, b blob) (time.Duration, error) {
	began := time.Now()
	location, err := r.do(ctx, http.MethodPost, "http://"+r.HTTP+"/v2/bench/blobs/uploads/", "", nil, 0, http.StatusAccepted)
	if err != nil {
		return 0, err
	}
	_, err = r.do(ctx, http.MethodPut, location+"&digest="+b.digest, "application/octet-stream", b.reader(), b.size, http.StatusCreated)
	return time.Since(began), err
}

func (r *registry) do(ctx context.Context, method, url, contentType string, body io.Reader, size int64, want int) (location string, err error) {
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

// patience is how long a push may take to be known elsewhere.
const patience = 30 * time.Second

// pull downloads a blob and checks its length; its bytes were verified by the registry that
// fetched them.
func (r *registry) pull(ctx context.Context, b blob) (time.Duration, error) {
	return r.read(ctx, b, "", http.StatusOK, b.size)
}

// touch asks for the first byte of a blob only, which is what starts its transfer.
func (r *registry) touch(ctx context.Context, b blob) (time.Duration, error) {
	return r.read(ctx, b, "bytes=0-0", http.StatusPartialContent, 1)
}

// read gets a blob, or a range of it, as soon as the registry has heard of it.
func (r *registry) read(ctx context.Context, b blob, ranges string, want int, size int64) (time.Duration, error) {
	began := time.Now()
	deadline := began.Add(patience)
	for {
		n, status, err := r.request(ctx, http.MethodGet, "/v2/bench/blobs/"+b.digest, ranges)
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
func (r *registry) request(ctx context.Context, method, path, ranges string) (n int64, status int, err error) {
	resp, err := r.open(ctx, method, path, ranges)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	n, err = io.Copy(io.Discard, resp.Body)
	return n, resp.StatusCode, err
}

// open sends a request; the caller closes the body.
func (r *registry) open(ctx context.Context, method, path, ranges string) (*http.Response, error) {
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

// manifestOf is a small image's manifest.
type manifestOf struct {
	config blob
	tag    string
	unique string // makes it another one
}

// pushConfig pushes what the manifests of a test have as their config.
func (r *registry) pushConfig(ctx context.Context) (blob, error) {
	config := newBlob(100)
	_, err := r.push(ctx, config)
	return config, err
}

func (r *registry) put(ctx context.Context, m manifestOf) error {
	body := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":100},"layers":[],"annotations":{"unique":%q}}`,
		manifestType, m.config.digest, m.unique)
	_, err := r.do(ctx, http.MethodPut, "http://"+r.HTTP+"/v2/bench/manifests/"+m.tag, manifestType, bytes.NewReader(body), int64(len(body)), http.StatusCreated)
	return err
}

// ask is a GET or HEAD of a manifest that is there.
func (r *registry) ask(ctx context.Context, method string, m manifestOf) error {
	_, status, err := r.request(ctx, method, "/v2/bench/manifests/"+m.tag, "")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s of a manifest on %s: status %d", method, r.Name, status)
	}
	return err
}

// awaitManifest asks until the tag is there.
func (r *registry) awaitManifest(ctx context.Context, tag string) (time.Duration, error) {
	began := time.Now()
	for time.Since(began) < patience {
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
