package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
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
	b := blob{size: size}
	if _, err := rand.Read(b.seed[:]); err != nil {
		panic(err) // never happens: the system ends the program first
	}
	h := sha256.New()
	_, _ = io.Copy(h, b.reader())
	b.digest = "sha256:" + hex.EncodeToString(h.Sum(nil))
	return b
}

func (b blob) reader() io.Reader { return io.LimitReader(mrand.NewChaCha8(b.seed), b.size) }

// push uploads a blob in one chunk and times the whole of it.
func (r *registry) push(ctx context.Context, b blob) (time.Duration, error) {
	began := time.Now()
	location, err := r.do(ctx, http.MethodPost, "http://"+r.http+"/v2/bench/blobs/uploads/", nil, 0, http.StatusAccepted)
	if err != nil {
		return 0, err
	}
	_, err = r.do(ctx, http.MethodPut, location+"&digest="+b.digest, b.reader(), b.size, http.StatusCreated)
	return time.Since(began), err
}

func (r *registry) do(ctx context.Context, method, url string, body io.Reader, size int64, want int) (location string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return "", err
	}
	req.ContentLength = size
	if r.contentType != "" && method == http.MethodPut {
		req.Header.Set("Content-Type", r.contentType)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != want {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return "", fmt.Errorf("%s on %s: %s %s", method, r.name, resp.Status, text)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.Header.Get("Location"), err
}

// pull downloads a blob and checks how much came; its bytes are checked once by
// whoever fetched them.
func (r *registry) pull(ctx context.Context, b blob) (time.Duration, error) {
	began := time.Now()
	deadline := began.Add(30 * time.Second)
	for {
		n, status, err := r.get(ctx, "/v2/bench/blobs/"+b.digest)
		switch {
		case err != nil:
			return 0, err
		case status == http.StatusNotFound && time.Now().Before(deadline):
			continue // not heard of yet
		case status != http.StatusOK || n != b.size:
			return 0, fmt.Errorf("pull from %s: status %d, %d of %d bytes", r.name, status, n, b.size)
		}
		return time.Since(began), nil
	}
}

func (r *registry) get(ctx context.Context, path string) (n int64, status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.http+path, nil)
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Accept", manifestType)
	resp, err := r.client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	n, err = io.Copy(io.Discard, resp.Body)
	return n, resp.StatusCode, err
}

const manifestType = "application/vnd.oci.image.manifest.v1+json"

// putManifest pushes a small image's manifest whose config is there already.
func (r *registry) putManifest(ctx context.Context, tag string) (time.Duration, error) {
	config := newBlob(100)
	if _, err := r.push(ctx, config); err != nil {
		return 0, err
	}
	unique, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return 0, err
	}
	body := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":100},"layers":[],"annotations":{"unique":"%s"}}`,
		manifestType, config.digest, unique)
	m := *r
	m.contentType = manifestType
	began := time.Now()
	_, err = m.do(ctx, http.MethodPut, "http://"+r.http+"/v2/bench/manifests/"+tag, bytes.NewReader(body), int64(len(body)), http.StatusCreated)
	return time.Since(began), err
}

// getManifest asks until the tag is there.
func (r *registry) getManifest(ctx context.Context, tag string) (time.Duration, error) {
	began := time.Now()
	for time.Since(began) < 30*time.Second {
		_, status, err := r.get(ctx, "/v2/bench/manifests/"+tag)
		if err != nil {
			return 0, err
		}
		if status == http.StatusOK {
			return time.Since(began), nil
		}
	}
	return 0, fmt.Errorf("tag %s never appeared on %s", tag, r.name)
}
