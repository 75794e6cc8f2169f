package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
)

// book is what was acknowledged on one disk.
type book struct {
	mu       sync.Mutex
	blobs    []place
	tags     map[string]*tag // repository:tag
	acks     int             // of blobs and manifests, since the book was opened
	bytes    int
	closed   bool // nobody hears what is acknowledged now
	refusals map[string]int
}

// place is where a blob, or a manifest, was pushed to.
type place struct {
	repo   string
	digest digest.Digest
}

// tag leads to the manifest that was acknowledged last, or to one that was sent and not
// acknowledged, which may have been stored. Only one client pushes it.
type tag struct {
	place
	sent map[digest.Digest]bool
}

func newBook() *book { return &book{tags: map[string]*tag{}, refusals: map[string]int{}} }

func (b *book) blob(repo string, d digest.Digest, size int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.blobs = append(b.blobs, place{repo, d})
	b.acks, b.bytes = b.acks+1, b.bytes+size
}

// trying notes that a manifest is being pushed, and returns what to call when it is
// acknowledged.
func (b *book) trying(repo, name string, d digest.Digest) (acknowledged func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.tags[repo+":"+name]
	if t == nil {
		t = &tag{place: place{repo: repo}, sent: map[digest.Digest]bool{}}
		b.tags[repo+":"+name] = t
	}
	t.sent[d] = true
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.closed {
			return
		}
		delete(t.sent, d)
		t.digest = d
		b.acks++
	}
}

// close has what is acknowledged from now on count as not acknowledged, until open.
func (b *book) close() (open func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.closed = false
	}
}

// failed counts why pushes failed.
func (b *book) failed(err error) error {
	var r *refused
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err == nil:
	case errors.As(err, &r):
		b.refusals[r.Error()]++
	default:
		b.refusals["cut off"]++
	}
	return err
}

func (b *book) acknowledged() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.acks
}

func tally(counts map[string]int) string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("%s ×%d", k, counts[k]))
	}
	return strings.Join(all, ", ")
}
