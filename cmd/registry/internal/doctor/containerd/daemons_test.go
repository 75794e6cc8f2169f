package containerd

import (
	"os"
	"path/filepath"
	"testing"
)

const (
	cri       = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n"
	ofContain = "etc/containerd/config.toml"
	ofK3s     = "var/lib/rancher/k3s/agent/etc/containerd/config.toml"
)

// TestIgnored: which configuration of containerd does not read /etc/containerd/certs.d, where none
// does.
func TestIgnored(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no containerd":           {nil, ""},
		"it is named":             {map[string]string{ofContain: cri}, ""},
		"it is named in a list":   {map[string]string{ofContain: "version = 3\n[plugins.\"io.containerd.cri.v1.images\".registry]\nconfig_path = \"/x:/etc/containerd/certs.d/\"\n"}, ""},
		"it is not set":           {map[string]string{ofContain: "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"x\"\n"}, ofContain},
		"it is empty":             {map[string]string{ofContain: "version = 3\n[plugins.\"io.containerd.cri.v1.images\".registry]\nconfig_path = \"\"\n"}, ofContain},
		"of the first version":    {map[string]string{ofContain: "[plugins.cri.registry]\nconfig_path = \"/x\"\n"}, ofContain},
		"a release with defaults": {map[string]string{ofContain: "version = 3\n"}, ""},
		"no CRI plugin":           {map[string]string{ofContain: "disabled_plugins = [\"cri\"]\n"}, ""},
		"it cannot be read":       {map[string]string{ofContain: "[", ofK3s: ""}, ""},
		"it is imported": {map[string]string{
			ofContain: "version = 2\nimports = [\"conf.d/*.toml\"]\n", "etc/containerd/conf.d/a.toml": "", "etc/containerd/conf.d/b.toml": cri,
		}, ""},
		"an import that cannot be read": {map[string]string{ofContain: "imports = [\"a.toml\"]\n", "etc/containerd/a.toml": "["}, ""},
		"k3s, which reads its own":      {map[string]string{ofK3s: "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/var/lib/rancher/k3s/agent/etc/containerd/certs.d\"\n"}, ofK3s},
		"k3s, beside one that reads it": {map[string]string{ofK3s: "", ofContain: cri}, ""},
		"neither":                       {map[string]string{ofK3s: "", ofContain: ""}, ofContain},
		"registry of another shape":     {map[string]string{ofContain: "[plugins.\"io.containerd.grpc.v1.cri\"]\nregistry = 1\n"}, ofContain},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			put(t, root, "etc/containerd/certs.d/docker.io/hosts.toml", "[host.\"http://a\"]\n")
			for path, content := range c.files {
				put(t, root, path, content)
			}
			files := Files(root)
			if len(files) != 1 {
				t.Fatalf("%+v", files)
			}
			want := c.want
			if want != "" {
				want = filepath.Join(root, want)
			}
			if got := files[0].IgnoredBy; got != want {
				t.Errorf("ignored by %q, not by %q", got, want)
			}
		})
	}
}

// TestDirectories: what k3s made itself is not looked at, what an operator's config_path names is.
func TestDirectories(t *testing.T) {
	root := t.TempDir()
	put(t, root, ofContain, "[plugins.cri.registry]\nconfig_path = \"/srv/certs.d\"\n")
	put(t, root, ofK3s, "[plugins.cri.registry]\nconfig_path = \"/var/certs.d\"\n")
	put(t, root, "srv/certs.d/a_5000_/hosts.toml", "[host.\"http://a/x\"]\n[host.\"http://b/v2/\"]\n[host.\"http://c/y\"]\noverride_path = true\ncapabilities = [\"pull\"]\n")
	put(t, root, "var/certs.d/b/hosts.toml", "")
	files := Files(root)
	if len(files) != 1 || files[0].Of != "a:5000" || files[0].IgnoredBy != "" || len(files[0].Hosts) != 4 {
		t.Fatalf("%+v", files)
	}
	for i, want := range []struct {
		api   string
		pulls bool
	}{{"/x/v2", true}, {"/v2", true}, {"/y", false}, {"/v2", true}} {
		if h := files[0].Hosts[i]; h.API != want.api || h.Pulls != want.pulls {
			t.Errorf("%+v", h)
		}
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
