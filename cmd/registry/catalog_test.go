package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// onFilesystem is a registry of the same binary with distribution's own driver.
func onFilesystem(t *testing.T) *process {
	t.Helper()
	p := newProcess(t)
	text := fmt.Sprintf("version: 0.1\nlog: {accesslog: {disabled: true}}\nstorage:\n  delete: {enabled: true}\n  filesystem: {rootdirectory: %s}\nhttp: {addr: %q}\n",
		p.Data, p.HTTP)
	if err := os.WriteFile(p.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p.start()
}

// TestListsAreTheFilesystemDrivers, of repositories with and without tags, one inside
// another, half pushed, and never heard of.
func TestListsAreTheFilesystemDrivers(t *testing.T) {
	ps := []*process{onFilesystem(t), newProcess(t, keygen(t)).start()}
	push := func(t *testing.T, p *process, name string) v1.Image {
		img := randomImage(t, 1000)
		if err := crane.Push(img, p.HTTP+"/"+name, crane.Insecure); err != nil {
			t.Fatal(err)
		}
		return img
	}
	for _, p := range ps {
		for _, name := range []string{"a", "a/0", "a/b", "a-b", "z/1/2/3/4"} {
			push(t, p, name+":1")
		}
		push(t, p, "untagged:1")
		send(t, http.MethodDelete, "http://"+p.HTTP+"/v2/untagged/manifests/1", nil, http.StatusAccepted)
		img := push(t, p, "emptied:1")
		d, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		send(t, http.MethodDelete, "http://"+p.HTTP+"/v2/emptied/manifests/"+d.String(), nil, http.StatusAccepted)
		send(t, http.MethodPost, "http://"+p.HTTP+"/v2/begun/blobs/uploads/", nil, http.StatusAccepted)
	}
	for _, path := range []string{
		"a/tags/list", "a/0/tags/list", "untagged/tags/list", "untagged/tags/list?n=1", "emptied/tags/list",
		"emptied/tags/list?n=1&last=1", "begun/tags/list", "never/tags/list", "_catalog?n=0", "_catalog?n=-1", "_catalog?n=x", "_catalog?n=5000",
	} {
		want, wantText := request(t, http.MethodGet, "http://"+ps[0].HTTP+"/v2/"+path, nil)
		got, text := request(t, http.MethodGet, "http://"+ps[1].HTTP+"/v2/"+path, nil)
		if got.StatusCode != want.StatusCode || string(text) != string(wantText) {
			t.Errorf("%s: %s %s; on the filesystem %s %s", path, got.Status, text, want.Status, wantText)
		}
	}
	want := pages(t, ps[0], "?n=100")
	want = slices.DeleteFunc(want, func(name string) bool { return name == "emptied" }) // nothing is left of it but layers
	for _, n := range []string{"", "?n=1", "?n=2", "?n=3", "?n=100"} {
		if got := pages(t, ps[1], n); !slices.Equal(got, want) {
			t.Errorf("catalog%s: %v, on the filesystem %v", n, got, want)
		}
	}
	if got := pages(t, ps[1], "?n=2&last=a/aa/never"); !slices.Equal(got, want[2:]) {
		t.Errorf("behind one that is not there: %v, of %v", got, want)
	}
}

// pages follows a catalog's links to its end.
func pages(t *testing.T, p *process, query string) (names []string) {
	t.Helper()
	next := "/v2/_catalog" + query
	for range 20 {
		resp, text := request(t, http.MethodGet, "http://"+p.HTTP+next, nil)
		var page struct{ Repositories []string }
		if err := json.Unmarshal(text, &page); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %s %v", next, resp.Status, text, err)
		}
		names = append(names, page.Repositories...)
		link, more := strings.CutPrefix(resp.Header.Get("Link"), "<")
		if !more {
			return names
		}
		next, _, _ = strings.Cut(link, ">")
	}
	t.Fatalf("no end: %v", names)
	return nil
}

// TestARepositoryPushedByDigestAloneHasAnEmptyList.
func TestARepositoryPushedByDigestAloneHasAnEmptyList(t *testing.T) {
	p := newProcess(t, keygen(t)).start()
	img := push(t, p, "other:1")
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if err := crane.Push(img, p.HTTP+"/a@"+d.String(), crane.Insecure); err != nil {
		t.Fatal(err)
	}
	resp, text := request(t, http.MethodGet, "http://"+p.HTTP+"/v2/a/tags/list", nil)
	if resp.StatusCode != http.StatusOK || strings.TrimSpace(string(text)) != `{"name":"a","tags":[]}` {
		t.Errorf("%s %s", resp.Status, text)
	}
}
