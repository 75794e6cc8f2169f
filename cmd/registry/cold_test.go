package main_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
)

// cidOf is the name under which a registry has a blob.
func cidOf(t *testing.T, p *process, d digest.Digest) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.Data, "blobs", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err == nil && digest.FromBytes(content) == d {
			return filepath.Base(file)
		}
	}
	t.Fatalf("no file has %s", d)
	return ""
}

// get asks for a blob; ranges is the header, or empty.
func get(t *testing.T, p *process, path, ranges string) *http.Response {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+p.HTTP+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ranges != "" {
		req.Header.Set("Range", ranges)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// TestColdRanges asks the other registry for a part of a blob that is not there yet,
// each time of another one.
func TestColdRanges(t *testing.T) {
	const size = 4*mib + 7
	ps := swarm(t, 2)
	a, b := ps[0], ps[1]
	for i, c := range []struct {
		ranges   string
		from, to int
	}{
		{"bytes=0-", 0, size},
		{"bytes=5-99", 5, 100},
		{"bytes=-5", size - 5, size},
		{fmt.Sprintf("bytes=%d-%d", 2*mib-3, 3*mib+9), 2*mib - 3, 3*mib + 10},
		{fmt.Sprintf("bytes=%d-", 3*mib+1), 3*mib + 1, size},
		{"", 0, size},
	} {
		content, path := layer(t, a, size)
		await(t, "the map arrives", func() bool {
			s := b.status()
			return s.Map.Entries == 2*(i+1) && s.Blobs.Missing == 1 // it is not there already
		})
		want, header := http.StatusPartialContent, fmt.Sprintf("bytes %d-%d/%d", c.from, c.to-1, size)
		if c.ranges == "" {
			want, header = http.StatusOK, ""
		}
		resp := get(t, b, path, c.ranges)
		got, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want || resp.Header.Get("Content-Range") != header || !bytes.Equal(got, content[c.from:c.to]) {
			t.Errorf("%s: %s, %s, %d bytes, %v", c.ranges, resp.Status, resp.Header.Get("Content-Range"), len(got), err)
		}
		await(t, "the rest comes, too", func() bool {
			s := b.status()
			return s.Blobs.Here == i+1 && s.Blobs.Missing == 0
		})
	}
	_, path := layer(t, a, size)
	await(t, "the map arrives", func() bool { return b.status().Blobs.Missing == 1 })
	if resp := get(t, b, path, fmt.Sprintf("bytes=%d-", size)); resp.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("behind the end: %s", resp.Status)
	}
}

// TestAHolderLostInMidBody: the status has been sent when the only holder is lost for good.
// The client sees that bytes are missing, whatever it had asked for.
func TestAHolderLostInMidBody(t *testing.T) {
	const size = 64 * mib
	a, b, link := linked(t, "fetchtimeout: 10s") // a busy machine may move nothing for two
	var whole, part *http.Response
	content, _, _ := halfWay(t, a, b, link, size, func(path string) {
		whole, part = get(t, b, path, ""), get(t, b, path, "bytes=7-")
	})
	a.Kill()
	for from, resp := range map[int]*http.Response{0: whole, 7: part} {
		got, err := io.ReadAll(resp.Body)
		if err == nil || resp.StatusCode/100 != 2 || !bytes.HasPrefix(content[from:], got) {
			t.Errorf("from %d: %s, %d bytes of %d, %v", from, resp.Status, len(got), size, err)
		}
	}
}
