package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

// look reads everything that was acknowledged, and returns what is lost: what is not there,
// or has other bytes. Requests that the registry cannot answer now are repeated for a
// while.
func (b *book) look(ctx context.Context, r *process.Registry) (lost []string) {
	c := client()
	defer c.CloseIdleConnections()
	b.mu.Lock()
	blobs, tags := slices.Clone(b.blobs), slices.Collect(maps.Keys(b.tags))
	b.mu.Unlock()
	var mu sync.Mutex
	var wg sync.WaitGroup
	work := make(chan func() string)
	for range clients {
		wg.Go(func() {
			for f := range work {
				if s := f(); s != "" {
					mu.Lock()
					lost = append(lost, s)
					mu.Unlock()
				}
			}
		})
	}
	for _, at := range blobs {
		work <- func() string { return lookBlob(ctx, c, r, at) }
	}
	for _, name := range tags {
		work <- func() string { return b.lookTag(ctx, c, r, name) }
	}
	close(work)
	wg.Wait()
	return lost
}

func lookBlob(ctx context.Context, c *http.Client, r *process.Registry, at place) string {
	url := fmt.Sprintf("http://%s/v2/%s/blobs/%s", r.HTTP, at.repo, at.digest)
	status, got, err := ask(ctx, c, url, "")
	if err != nil || status != http.StatusOK || got != at.digest {
		return fmt.Sprintf("blob %s: %d %s %v", at.digest, status, got, err)
	}
	return ""
}

func (b *book) lookTag(ctx context.Context, c *http.Client, r *process.Registry, name string) string {
	b.mu.Lock()
	t := b.tags[name]
	repo, want, sent := t.repo, t.digest, maps.Clone(t.sent)
	b.mu.Unlock()
	if want == "" {
		return "" // never acknowledged
	}
	status, got, err := ask(ctx, c, fmt.Sprintf("http://%s/v2/%s/manifests/%s", r.HTTP, repo, name[len(repo)+1:]), v1.MediaTypeImageManifest)
	if err != nil || status != http.StatusOK || got != want && !sent[got] {
		return fmt.Sprintf("tag %s: %d %s, not %s %v", name, status, got, want, err)
	}
	status, got, err = ask(ctx, c, fmt.Sprintf("http://%s/v2/%s/manifests/%s", r.HTTP, repo, want), v1.MediaTypeImageManifest)
	if err != nil || status != http.StatusOK || got != want {
		return fmt.Sprintf("manifest %s: %d %s %v", want, status, got, err)
	}
	return ""
}

const askAgain = 20 * time.Second

// ask reads a body and returns its digest. An answer that says "not now" counts as no
// answer.
func ask(ctx context.Context, c *http.Client, url, accept string) (status int, d digest.Digest, err error) {
	for end := time.Now().Add(askAgain); ; time.Sleep(200 * time.Millisecond) {
		status, d, err = read(ctx, c, url, accept)
		if err == nil && status < 500 || time.Now().After(end) || ctx.Err() != nil {
			return status, d, err
		}
	}
}

func read(ctx context.Context, c *http.Client, url, accept string) (int, digest.Digest, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return 0, "", err
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	h := digest.Canonical.Digester()
	if _, err := io.Copy(h.Hash(), resp.Body); err != nil {
		return resp.StatusCode, "", err
	}
	return resp.StatusCode, h.Digest(), nil
}

// glance reads a little of what was acknowledged while the disk is full. The answer may be
// "not now", but never "not there".
func (b *book) glance(ctx context.Context, r *process.Registry, n int) (lies []string) {
	c := client()
	defer c.CloseIdleConnections()
	b.mu.Lock()
	blobs := slices.Clone(b.blobs)
	b.mu.Unlock()
	for _, at := range blobs[max(0, len(blobs)-n):] {
		status, got, err := read(ctx, c, fmt.Sprintf("http://%s/v2/%s/blobs/%s", r.HTTP, at.repo, at.digest), "")
		if err == nil && (status == http.StatusNotFound || status == http.StatusOK && got != at.digest) {
			lies = append(lies, fmt.Sprintf("while full: blob %s: %d %s", at.digest, status, got))
		}
	}
	return lies
}
