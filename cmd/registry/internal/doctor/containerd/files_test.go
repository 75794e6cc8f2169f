package containerd

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestFiles: who is asked for which images, by the files that operators write.
func TestFiles(t *testing.T) {
	for name, c := range map[string]struct {
		path, content string
		want          string // "of: host, …" of each file
		fails         string
	}{
		"a mirror with the default fallback": {
			"etc/containerd/certs.d/docker.io/hosts.toml",
			"[host.\"http://localhost:5000\"]\n  capabilities = [\"pull\", \"resolve\"]\n",
			"docker.io: http://localhost:5000, https://docker.io", "",
		},
		"a server of its own, and an authority": {
			"etc/containerd/certs.d/docker.io/hosts.toml",
			"server = \"https://registry-1.docker.io\"\n[host.\"https://a:5000\"]\nca = \"ca.pem\"\n[host.\"https://b:5000\"]\nca = [\"/x.pem\", \"y.pem\"]\nskip_verify = true\n",
			"docker.io: https://a:5000 [DIR/ca.pem], https://b:5000 [/x.pem DIR/y.pem] insecure, https://registry-1.docker.io", "",
		},
		"all registries": {
			"etc/containerd/certs.d/_default/hosts.toml", "[host.\"a:5000\"]\n", "all: https://a:5000", "",
		},
		"no TOML":   {"etc/containerd/certs.d/a/hosts.toml", "[host", "", "toml"},
		"no scheme": {"etc/containerd/certs.d/a/hosts.toml", "server = \"ftp://a\"", "", "neither http nor https"},
		"k3s": {
			"etc/rancher/k3s/registries.yaml",
			"mirrors:\n  docker.io: {endpoint: [\"http://a:5000\"]}\n  \"*\": {endpoint: [\"https://b:5000\"]}\nconfigs: {\"b:5000\": {tls: {ca_file: /ca, insecure_skip_verify: true}}}\n",
			"all: https://b:5000 [/ca] insecure; docker.io: http://a:5000, https://docker.io", "",
		},
		"rke2, no YAML": {"etc/rancher/rke2/registries.yaml", "mirrors: [", "", "yaml"},
		"too large":     {"etc/containerd/certs.d/a/hosts.toml", strings.Repeat("#", 1<<20+1), "", "bytes are more"},
		"another file":  {"etc/containerd/certs.d/a/other.toml", "[", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			path := filepath.Join(root, c.path)
			put(t, root, c.path, c.content)
			var got []string
			for _, f := range Files(root) {
				if f.Path != path {
					t.Errorf("the file is %s", f.Path)
				}
				if f.Err != nil || c.fails != "" {
					if f.Err == nil || c.fails == "" || !strings.Contains(f.Err.Error(), c.fails) {
						t.Errorf("fails with %v, not %q", f.Err, c.fails)
					}
					continue
				}
				got = append(got, f.Of+": "+strings.Join(hostTexts(f.Hosts), ", "))
			}
			if is := strings.ReplaceAll(strings.Join(got, "; "), filepath.Dir(path), "DIR"); is != c.want {
				t.Errorf("%s, not %s", is, c.want)
			}
		})
	}
}

func hostTexts(hosts []Host) (texts []string) {
	for _, h := range hosts {
		text := h.URL.String()
		if len(h.CA) > 0 {
			text += fmt.Sprint(" ", h.CA)
		}
		if h.Insecure {
			text += " insecure"
		}
		texts = append(texts, text)
	}
	return texts
}

// FuzzFiles: whatever a file holds, hosts have a URL, or it is an error.
func FuzzFiles(f *testing.F) {
	f.Add("[host.\"http://a\"]\nca = [1, \"x\"]\n", true)
	f.Add("mirrors: {a: {endpoint: [b]}}", false)
	f.Fuzz(func(t *testing.T, content string, isTOML bool) {
		root := t.TempDir()
		path := "etc/rancher/k3s/registries.yaml"
		if isTOML {
			path = "etc/containerd/certs.d/a/hosts.toml"
		}
		put(t, root, path, content)
		put(t, root, ofContain, content)
		for _, file := range Files(root) {
			for _, h := range file.Hosts {
				if file.Err == nil && (h.URL == nil || h.URL.Host == "") {
					t.Errorf("%+v", file)
				}
			}
		}
	})
}
