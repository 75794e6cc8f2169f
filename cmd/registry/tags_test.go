package main_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
)

// TestATagNeverLeadsToWhatIsNotNamedYet has a client read tags on one registry while images
// are pushed to two others, some under a tag of their own and all under one that both
// overwrite. What a tag leads to is there, or the tag is not. The reader's registry does
// not wait for members, so it answers from what it has.
func TestATagNeverLeadsToWhatIsNotNamedYet(t *testing.T) {
	const images = 25 // to each of the two
	ps := swarm(t, 3, "synctimeout: 0s")
	var pushers sync.WaitGroup
	for n, p := range []*process{ps[0], ps[2]} {
		pushers.Go(func() {
			for i := range images {
				img, err := random.Image(2000, 3)
				for _, tag := range []string{ownTag(n, i), "latest"} {
					if err == nil {
						err = crane.Push(img, p.HTTP+"/team/app:"+tag, crane.Insecure)
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	defer pushers.Wait() // also when the reader gives up
	over := make(chan struct{})
	go func() { pushers.Wait(); close(over) }()
	r := tagReader{t: t, base: "http://" + ps[1].HTTP + "/v2/team/app", seen: map[string]bool{}}
	var next [2]int
	for reading := true; reading; {
		select {
		case <-over:
			reading = false
		default:
		}
		r.read("latest")
		for n := range next {
			if next[n] < images && r.read(ownTag(n, next[n])) {
				next[n]++
			}
		}
	}
	t.Logf("%d tags were there and %d not yet, of %d images", r.there, r.notYet, len(r.seen))
	if len(r.seen) < images || r.notYet < images {
		t.Error("the reader was hardly there when tags came: the test tested little")
	}
}

func ownTag(pusher, i int) string { return fmt.Sprintf("%d-%d", pusher, i) }

type tagReader struct {
	t             *testing.T
	base          string
	seen          map[string]bool // manifests
	there, notYet int
}

// read resolves a tag as a client does; false when there is no such tag.
func (r *tagReader) read(tag string) bool {
	r.t.Helper()
	content, status := r.get("/manifests/" + tag)
	if status == http.StatusNotFound && strings.Contains(string(content), "unknown tag=") { // and not a revision
		r.notYet++
		return false
	}
	if status != http.StatusOK {
		r.t.Fatalf("tag %s is there, and its manifest: %d %s", tag, status, content)
	}
	r.there++
	manifest, err := v1.ParseManifest(bytes.NewReader(content))
	if err != nil {
		r.t.Fatal(err)
	}
	r.seen[manifest.Config.Digest.String()] = true
	for _, l := range append(manifest.Layers, manifest.Config) {
		resp, err := http.Head(r.base + "/blobs/" + l.Digest.String())
		if err != nil {
			r.t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			r.t.Fatalf("tag %s is there, and its layer %s: %s", tag, l.Digest, resp.Status)
		}
	}
	return true
}

func (r *tagReader) get(path string) ([]byte, int) {
	r.t.Helper()
	resp, err := http.Get(r.base + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return content, resp.StatusCode
}
