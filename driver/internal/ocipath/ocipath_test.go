package ocipath_test

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

func TestParse(t *testing.T) {
	const root = "/docker/registry/v2"
	repo := root + "/repositories/a/b-c/d"
	d := digest.FromString("x")
	big := digest.SHA512.FromString("x")
	hex := d.Encoded()
	for path, want := range map[string]ocipath.Path{
		root + "/blobs/sha256/" + hex[:2] + "/" + hex + "/data":              {Kind: ocipath.Blob, Root: root, Digest: d},
		"/blobs/sha512/" + big.Encoded()[:2] + "/" + big.Encoded() + "/data": {Kind: ocipath.Blob, Digest: big},
		root + "/blobs/sha256/" + hex[:2] + "/" + hex:                        {Root: root},
		root + "/blobs/sha256/ab/abcd/data":                                  {Root: root},
		root + "/blobs/sha256/xy/" + hex + "/data":                           {Root: root},
		root + "/blobs/sha256/" + hex[:3] + "/" + hex + "/data":              {Root: root},
		repo + "/_layers/sha256/" + hex + "/link":                            {Kind: ocipath.Layer, Root: root, Repository: repo, Digest: d},
		repo + "/_layers/sha256/7/link":                                      {Kind: ocipath.Layer, Root: root, Repository: repo},
		repo + "/_layers/sha256/" + hex:                                      {Root: root, Repository: repo},
		repo + "/_manifests/revisions/sha256/" + hex + "/link":               {Kind: ocipath.Revision, Root: root, Repository: repo, Digest: d},
		repo + "/_manifests/revisions/sha256/" + hex:                         {Root: root, Repository: repo},
		repo + "/_manifests/tags/current/current/link":                       {Kind: ocipath.TagCurrent, Root: root, Repository: repo, Tag: "current"},
		repo + "/_manifests/tags/1":                                          {Root: root, Repository: repo, Tag: "1"},
		repo + "/_manifests/tags":                                            {Root: root, Repository: repo},
		repo + "/_manifests/tags/1/index/sha256/" + hex + "/link":            {Kind: ocipath.TagIndex, Root: root, Repository: repo, Tag: "1", Digest: d},
		repo + "/_uploads":                                                   {Kind: ocipath.Upload, Root: root, Repository: repo},
		repo + "/_uploads/01/data":                                           {Kind: ocipath.Upload, Root: root, Repository: repo},
		repo + "/_uploads/01/hashstates/sha256/0":                            {Kind: ocipath.Upload, Root: root, Repository: repo},
		root + "/repositories/blobs/sha256":                                  {Root: root, Repository: root + "/repositories/blobs/sha256"},
		root + "/repositories/blobs/sha256/" + hex[:2] + "/" + hex + "/data": {Root: root, Repository: root + "/repositories/blobs/sha256/" + hex[:2] + "/" + hex + "/data"},
		"/": {}, "": {}, "/x/y": {}, "/scheduler-state.json": {},
	} {
		if got := ocipath.Parse(path); got != want {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

// TestBuiltPathsParse: each path that this package builds is parsed to its parts.
func TestBuiltPathsParse(t *testing.T) {
	repo, d := ocipath.Repository("a/b"), digest.FromString("x")
	for _, root := range []string{ocipath.Root, ""} {
		if p := ocipath.Parse(ocipath.BlobData(root, d)); p.Kind != ocipath.Blob || p.Digest != d || p.Root != root {
			t.Errorf("%q: %+v", root, p)
		}
	}
	if p := ocipath.Parse(ocipath.RevisionLink(repo, d)); p.Kind != ocipath.Revision || p.Digest != d || p.Repository != repo {
		t.Errorf("%+v", p)
	}
	if p := ocipath.Parse(ocipath.LayerLink(repo, d)); p.Kind != ocipath.Layer || p.Digest != d || p.Repository != repo {
		t.Errorf("%+v", p)
	}
	if p := ocipath.Parse(ocipath.IndexLink(repo, "1", d)); p.Kind != ocipath.TagIndex || p.Tag != "1" || p.Digest != d || p.Repository != repo {
		t.Errorf("%+v", p)
	}
	if p := ocipath.Parse(ocipath.CurrentLink(repo, "1")); p.Kind != ocipath.TagCurrent || p.Tag != "1" || p.Repository != repo {
		t.Errorf("%+v", p)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("/docker/registry/v2/repositories/a/_manifests/tags/1/current/link")
	f.Add("/docker/registry/v2/blobs/sha256/ab/abcd/data")
	f.Add("/repositories//_manifests/tags//current/link/")
	f.Fuzz(func(t *testing.T, path string) {
		p := ocipath.Parse(path)
		if !strings.HasPrefix(path, p.Root) || p.Repository != "" && !strings.HasPrefix(path, p.Repository) {
			t.Errorf("%q: %+v", path, p)
		}
		if p.Digest != "" && p.Digest.Validate() != nil {
			t.Errorf("%q: %+v", path, p)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	path := ocipath.LayerLink(ocipath.Repository("library/nginx"), digest.FromString("x"))
	b.ReportAllocs()
	for b.Loop() {
		ocipath.Parse(path)
	}
}
