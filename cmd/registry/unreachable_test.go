package main_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/opencontainers/go-digest"
)

// refusal is what a client is told in the form of the OCI distribution specification.
type refusal struct {
	Errors []struct {
		Code, Message string
		Detail        struct {
			CID, PushedTo string
			Asked         []string
		}
	}
}

// orphaned is a registry that knows an image whose only holder is gone.
func orphaned(t *testing.T) (holder, left *process, img v1.Image) {
	t.Helper()
	key := keygen(t)
	a := newProcess(t, key)
	b := newProcess(t, key, a.bootstrap(), "fetchtimeout: 1s")
	a.start()
	b.start()
	img = push(t, a, "a:1")
	await(t, "the map arrives", func() bool { return b.status().Map.Entries == 2*(3+1)+4 })
	small := smallBlobs(t, img, empty.Index)[:2]
	await(t, "what is small is here", func() bool { return hasBlobs(t, b, small) })
	a.Kill()
	return a, b, img
}

// forget removes all bytes from a registry's disk.
func (p *process) forget() {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.Data, "blobs", "*"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			p.t.Fatal(err)
		}
	}
}

// TestALayerNobodyHoldsIsToldAtTheManifest: crane asks for the manifest first, and skips
// the push when it is told that the manifest is there. A client that pulls is told at once,
// too.
func TestALayerNobodyHoldsIsToldAtTheManifest(t *testing.T) {
	a, b, img := orphaned(t)
	if got := head(t, b, "/v2/a/manifests/1", "reader"); got != http.StatusServiceUnavailable {
		t.Errorf("HEAD of a manifest whose layers are nowhere: %d", got)
	}
	if resp, text := request(t, http.MethodGet, "http://"+b.HTTP+"/v2/a/manifests/1", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("GET of it: %s %s", resp.Status, text)
	}
	if err := crane.Push(img, b.HTTP+"/a:1", crane.Insecure); err == nil {
		t.Error("crane believes that it pushed an image whose layers are nowhere")
	}
	if err := crane.Push(img, b.HTTP+"/a:2", crane.Insecure); err != nil {
		t.Fatal(err)
	}
	pull(t, b, "a:1", img)
	if got := head(t, b, "/v2/a/manifests/1", "reader"); got != http.StatusOK {
		t.Errorf("HEAD when it is whole again: %d", got)
	}
	a.start()
	awaitAllConnected(t, []*process{a, b})
	pull(t, a, "a:2", img)
}

// TestUnreachableIsNeverNotFound: the answers name the CID and the registry to which it was
// pushed, and a push of the same image heals it.
func TestUnreachableIsNeverNotFound(t *testing.T) {
	a, b, img := orphaned(t)
	b.forget()
	manifest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	layer, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	holder := strings.Split(a.bootstrap(), "/p2p/")[1]
	name, err := os.Hostname() // by default
	if err != nil {
		t.Fatal(err)
	}
	for path, d := range map[string]v1.Hash{
		"/v2/a/manifests/1": manifest, "/v2/a/manifests/" + manifest.String(): manifest, "/v2/a/blobs/" + layer.String(): layer,
	} {
		t.Run(path, func(t *testing.T) {
			resp, text := request(t, http.MethodGet, "http://"+b.HTTP+path, nil)
			var said refusal
			if err := json.Unmarshal(text, &said); err != nil || len(said.Errors) != 1 {
				t.Fatalf("%s %s: %v", resp.Status, text, err)
			}
			cid, e := cidOf(t, a, digest.Digest(d.String())), said.Errors[0]
			if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || e.Code != "UNAVAILABLE" {
				t.Errorf("%s, Retry-After %q, %s", resp.Status, resp.Header.Get("Retry-After"), e.Code)
			}
			if strings.Count(e.Message, cid) != 1 || strings.Count(e.Message, holder) != 1 || strings.Count(e.Message, "12D3KooW") != 1 || !strings.Contains(e.Message, name) {
				t.Errorf("said %q, of %s, which was pushed to %s", e.Message, cid, holder)
			}
			if e.Detail.CID != cid || e.Detail.PushedTo != holder {
				t.Errorf("detail %+v", e.Detail)
			}
			want := http.StatusServiceUnavailable
			if strings.Contains(path, "/blobs/") {
				want = http.StatusNotFound // a client pushes it again
			}
			if got := head(t, b, path, t.Name()); got != want {
				t.Errorf("HEAD: %d, not %d", got, want)
			}
		})
	}
	// crane gives up at a tag that is 503: pushed under another, the image is healed.
	if err := crane.Push(img, b.HTTP+"/a:2", crane.Insecure); err != nil {
		t.Fatal(err)
	}
	pull(t, b, "a:1", img)
}

func head(t *testing.T, p *process, path, agent string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodHead, "http://"+p.HTTP+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", agent)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// TestAPushingClientIsToldToPushTheManifest: containerd asks for it by HEAD after the
// layers, and gives up at any answer but 200 and 404.
func TestAPushingClientIsToldToPushTheManifest(t *testing.T) {
	_, b, img := orphaned(t)
	b.forget()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	layer, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	if got := head(t, b, "/v2/a/blobs/"+layer.String(), "pusher"); got != http.StatusNotFound {
		t.Errorf("the layer: %d", got)
	}
	for agent, want := range map[string]int{"pusher": http.StatusNotFound, "reader": http.StatusServiceUnavailable} {
		if got := head(t, b, "/v2/a/manifests/1", agent); got != want {
			t.Errorf("the manifest, for a %s: %d, not %d", agent, got, want)
		}
	}
}

// TestAManifestAloneHealsByAPut, as a client pushes it that finds all layers there.
func TestAManifestAloneHealsByAPut(t *testing.T) {
	_, b, img := orphaned(t)
	b.forget()
	pushBlindly(t, b, "a", "1", img)
	pull(t, b, "a:1", img)
	await(t, "no blob is missing", func() bool { return b.status().Blobs.Missing == 0 })
}
