package podman

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var local = []Mirror{{Location: "127.0.0.1:5000", Insecure: true}, {Location: "registry.example.org"}}

func TestDropIns(t *testing.T) {
	root := t.TempDir()
	put(t, root, "etc/containers/registries.conf", "unqualified-search-registries = ['docker.io']\n[[registry]]\nlocation = 'quay.io'\n")
	put(t, root, "etc/containers/registries.conf.d/registry-ipfs-mine.conf", "[[registry]]\nprefix = '*.example.com'\n")
	add := func(of ...string) {
		t.Helper()
		edits, err := Add(root, of, local)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range edits {
			if err := e.Make(); err != nil {
				t.Fatal(err)
			}
		}
	}
	add("docker.io")
	add("docker.io", "a.example.com:5000")
	content, err := os.ReadFile(filepath.Join(root, directory, "registry-ipfs-a.example.com_5000.conf"))
	want := header + `[[registry]]
prefix = "a.example.com:5000"
location = "a.example.com:5000"

[[registry.mirror]]
location = "127.0.0.1:5000"
insecure = true

[[registry.mirror]]
location = "registry.example.org"
`
	if err != nil || string(content) != want {
		t.Errorf("%v\n%s", err, content)
	}
	for of, want := range map[string]string{"": "a.example.com_5000 docker.io", "docker.io": "docker.io", "ghcr.io": ""} {
		var named, got []string
		if of != "" {
			named = []string{of}
		}
		edits, err := Remove(root, named)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range edits {
			got = append(got, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(e.Path), prefix), suffix))
			if e.After != nil || e.Directory {
				t.Errorf("%+v", e)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("of %q is removed %s, not %s", of, got, want)
		}
	}
}

// TestFilesThatAreInTheWay are named, and nothing is written.
func TestFilesThatAreInTheWay(t *testing.T) {
	for name, c := range map[string]struct{ path, content, of, fails string }{
		"no Podman":            {"etc/x", "", "docker.io", "neither Podman nor CRI-O"},
		"all":                  {"etc/containers/registries.conf", "", "_default", "name each"},
		"a path":               {"etc/containers/registries.conf", "", "../x", "is no registry"},
		"by its location":      {"etc/containers/registries.conf", "[[registry]]\nlocation = 'docker.io/'\n", "docker.io", "registries.conf: is about docker.io already"},
		"by its prefix":        {"etc/containers/registries.conf.d/z.conf", "[[registry]]\nprefix = 'docker.io'\nlocation = 'x'\n", "docker.io", "z.conf: is about docker.io already"},
		"in the first form":    {"etc/containers/registries.conf", "[registries.insecure]\nregistries = ['a:5000']\n", "a:5000", `[[registry.mirror]] location = "127.0.0.1:5000" insecure = true`},
		"another prefix":       {"etc/containers/registries.conf", "[[registry]]\nprefix = 'docker.io/library'\nlocation = 'docker.io'\n", "docker.io", ""},
		"a file Podman skips":  {"etc/containers/registries.conf.d/z.off", "[[registry]]\nlocation = 'docker.io'\n", "docker.io", ""},
		"no TOML":              {"etc/containers/registries.conf", "[", "docker.io", "registries.conf: toml"},
		"somebody else's file": {"etc/containers/registries.conf.d/registry-ipfs-docker.io.conf", "", "docker.io", "give it another name"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			put(t, root, c.path, c.content)
			_, err := Add(root, []string{c.of}, local)
			if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("fails with %v, not %q", err, c.fails)
			}
		})
	}
}

func put(t *testing.T, root, path, content string) {
	t.Helper()
	path = filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
