package main_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/smalldisk"
)

// disk is where a test finds the data of a registry on a disk of its own.
func (p *process) disk() string {
	return filepath.Join("/proc", strconv.Itoa(p.PID()), "root", p.Dir, "data")
}

func randomBytes(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b) // never fails
	return b
}

// begin begins an upload with some bytes.
func begin(t *testing.T, p *process, content []byte) (location string) {
	t.Helper()
	location = send(t, http.MethodPost, "http://"+p.HTTP+"/v2/a/blobs/uploads/", nil, http.StatusAccepted)
	if len(content) > 0 {
		location = send(t, http.MethodPatch, location, content, http.StatusAccepted)
	}
	return location
}

// requireFull asks that a request is refused because the disk is full.
func requireFull(t *testing.T, what string, resp *http.Response, text []byte) {
	t.Helper()
	if resp.StatusCode != http.StatusInsufficientStorage || !bytes.Contains(text, []byte("no room: ")) || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s: %s %s", what, resp.Status, text)
	}
}

// chunked is request with a body whose length is not said.
func chunked(t *testing.T, method, url string, content []byte) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, url, io.MultiReader(bytes.NewReader(content)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	return answered(t, req)
}

// TestPushesToAFullDisk are refused with the reason, before anything is taken. Existing
// content is served and deleted, and uploads that were accepted can be finished when there
// is room.
func TestPushesToAFullDisk(t *testing.T) {
	p := newProcess(t, keygen(t))
	p.onDiskOf(t, 400*mib)
	p.start()
	base := "http://" + p.HTTP + "/v2/a"
	img := push(t, p, "a:1")
	whole, more := randomBytes(300_000), randomBytes(100_000)
	done, half, idle := begin(t, p, whole), begin(t, p, whole), begin(t, p, nil)
	put := func(location string, content ...[]byte) string {
		return location + "&digest=" + digest.FromBytes(bytes.Join(content, nil)).String()
	}

	freeRest := smalldisk.Fill(t, p.disk(), 30*mib)
	free := smalldisk.Fill(t, p.disk(), 40_000)
	for what, ask := range map[string]func() (*http.Response, []byte){
		"POST":            func() (*http.Response, []byte) { return request(t, http.MethodPost, base+"/blobs/uploads/", nil) },
		"mount":           func() (*http.Response, []byte) { return request(t, http.MethodPost, mountURL(t, p, img), nil) },
		"PATCH":           func() (*http.Response, []byte) { return request(t, http.MethodPatch, half, more) },
		"chunked PATCH":   func() (*http.Response, []byte) { return chunked(t, http.MethodPatch, half, more) },
		"PUT of all":      func() (*http.Response, []byte) { return request(t, http.MethodPut, put(idle, more), more) },
		"chunked PUT":     func() (*http.Response, []byte) { return chunked(t, http.MethodPut, put(idle, more), more) },
		"PUT of the end":  func() (*http.Response, []byte) { return request(t, http.MethodPut, put(done, whole), nil) },
		"PUT of manifest": func() (*http.Response, []byte) { return sendManifest(t, base+"/manifests/2", img) },
	} {
		resp, text := ask()
		requireFull(t, what, resp, text)
	}
	requireOffset(t, half, len(whole))
	pull(t, p, "a:1", img)
	send(t, http.MethodDelete, begun(t, idle), nil, http.StatusNoContent)

	// The room that was kept is for requests that only finish what began, and for deletes.
	free()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	await(t, "a manifest is deleted", func() bool {
		resp, _ := request(t, http.MethodDelete, base+"/manifests/"+d.String(), nil)
		return resp.StatusCode == http.StatusAccepted // once the datastore knows that there is room
	})
	send(t, http.MethodPut, put(done, whole), nil, http.StatusCreated)
	resp, text := request(t, http.MethodPatch, half, more)
	requireFull(t, "PATCH into what is kept", resp, text)

	freeRest()
	await(t, "there is room", func() bool {
		resp, _ := request(t, http.MethodPost, base+"/blobs/uploads/", nil)
		return resp.StatusCode == http.StatusAccepted
	})
	half = send(t, http.MethodPatch, half, more, http.StatusAccepted)
	send(t, http.MethodPut, put(half, whole, more), nil, http.StatusCreated)
	for _, content := range [][]byte{whole, bytes.Join([][]byte{whole, more}, nil)} {
		got, status, err := body(p, "/v2/a/blobs/"+digest.FromBytes(content).String())
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d, %d bytes: %v", status, len(got), err)
		}
	}
}

// begun is where an upload goes on.
func begun(t *testing.T, location string) string {
	t.Helper()
	return send(t, http.MethodGet, location, nil, http.StatusNoContent)
}

// requireOffset asks that an upload goes on from there.
func requireOffset(t *testing.T, location string, offset int) {
	t.Helper()
	resp, text := request(t, http.MethodGet, location, nil)
	if got, want := resp.Header.Get("Range"), fmt.Sprintf("0-%d", offset-1); resp.StatusCode != http.StatusNoContent || got != want {
		t.Errorf("%s %s: the upload has %s, want %s", resp.Status, text, got, want)
	}
}

// mountURL asks another repository for an image's first layer.
func mountURL(t *testing.T, p *process, img v1.Image) string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	d, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + p.HTTP + "/v2/other/blobs/uploads/?from=a&mount=" + d.String()
}
