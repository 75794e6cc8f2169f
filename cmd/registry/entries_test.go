package main_test

import (
	"bytes"
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/multiformats/go-varint"
	"github.com/opencontainers/go-digest"
)

// TestAPushAndAPushOfItAgain counts what each writes into the map: two entries for
// each of N layers and the config and four for the manifest. A client that asks what is
// there, as crane does, has them renewed once in a run of the registry, and then only
// that the manifest and its tag are here; one that sends everything has all written anew.
func TestAPushAndAPushOfItAgain(t *testing.T) {
	const layers, again = 3, 4
	const all = 2*(layers+1) + 4
	p := newProcess(t, keygen(t)).start()
	img := push(t, p, "team/app:1")
	first := entriesWritten(t, p)
	if first != all {
		t.Errorf("a push of %d layers wrote %d entries", layers, first)
	}
	p.start()
	for range 3 {
		if err := crane.Push(img, p.HTTP+"/team/app:1", crane.Insecure); err != nil {
			t.Fatal(err)
		}
	}
	second := entriesWritten(t, p)
	if n := second - first; n > all+2*again {
		t.Errorf("three pushes of it again wrote %d entries", n)
	}
	p.start()
	pushBlindly(t, p, "team/app", "1", img)
	if n := entriesWritten(t, p) - second; n != all {
		t.Errorf("a push of all of it again wrote %d entries", n)
	}
}

// entriesWritten ends a registry and reads from its datastore how many entries it
// ever wrote, which is the greatest version it gave one.
func entriesWritten(t *testing.T, p *process) uint64 {
	t.Helper()
	if err := p.Stop(); err != nil {
		t.Fatalf("exit: %v", err)
	}
	db, err := pebble.Open(filepath.Join(p.Data, "pebble"), &pebble.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	b, done, err := db.Get([]byte("/paths/counter"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = done.Close() }()
	n, _, err := varint.FromUvarint(b)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// pushBlindly sends every blob and the manifest and asks for nothing first.
func pushBlindly(t *testing.T, p *process, repository, tag string, img v1.Image) {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	blobs := [][]byte{config}
	for _, l := range layers {
		r, err := l.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, content)
	}
	base := "http://" + p.HTTP + "/v2/" + repository
	for _, content := range blobs {
		location := send(t, http.MethodPost, base+"/blobs/uploads/", nil, http.StatusAccepted)
		send(t, http.MethodPut, location+"&digest="+digest.FromBytes(content).String(), content, http.StatusCreated)
	}
	putManifest(t, base+"/manifests/"+tag, img)
}

func putManifest(t *testing.T, url string, img v1.Image) {
	t.Helper()
	if resp, text := sendManifest(t, url, img); resp.StatusCode != http.StatusCreated {
		t.Errorf("PUT %s: %s %s", url, resp.Status, text)
	}
}

// sendManifest gives the answer to a PUT of an image's manifest.
func sendManifest(t *testing.T, url string, img v1.Image) (*http.Response, []byte) {
	t.Helper()
	manifest, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	mediaType, err := img.MediaType()
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, bytes.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", string(mediaType))
	return answered(t, req)
}
