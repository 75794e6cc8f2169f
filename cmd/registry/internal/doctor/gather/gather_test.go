package gather

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/doctor/containerd"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func parse(t *testing.T, text string) *configuration.Configuration {
	t.Helper()
	config, err := configuration.Parse(strings.NewReader("version: 0.1\nstorage: {ipfs: {}}\n" + text))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// TestSecretsAndCaches: a secret that is short, or in a manual, and a cache of descriptors.
func TestSecretsAndCaches(t *testing.T) {
	for text, weak := range map[string]bool{
		"": false, "http: {secret: asecretforlocaldevelopment}": true, "http: {secret: short}": true,
		"http: {secret: 7d3b0f9c5a1e4826}": false,
	} {
		if got := Config(parse(t, text), driver.DefaultParameters()).WeakSecret; got != weak {
			t.Errorf("%q: %v", text, got)
		}
	}
	config := parse(t, "")
	config.Storage["cache"] = configuration.Parameters{"blobdescriptor": "inmemory"}
	if c := Config(config, driver.DefaultParameters()); c.DescriptorCache != "inmemory" || len(c.DataAddrs) != 1 || c.TLS != nil {
		t.Errorf("%+v", c)
	}
}

// pair writes a certificate for names, and its key.
func pair(t *testing.T, names ...string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(1000, 0), NotAfter: time.Unix(2000, 0), DNSNames: names, IPAddresses: []net.IP{{192, 0, 2, 1}}}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: raw}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestCertificates: what is read of the file that clients are shown, and why it cannot be.
func TestCertificates(t *testing.T) {
	cert, key := pair(t, "registry.example.com")
	other, _ := pair(t)
	config := parse(t, "http: {host: \"https://registry.example.com:5000\"}")
	config.HTTP.TLS.Certificate, config.HTTP.TLS.Key = cert, key
	if c := certificate(config, t.TempDir()); c.Trouble != "" || !c.Covers || c.Exposed || c.To.Unix() != 2000 || fmt.Sprint(c.Names) != "[registry.example.com 192.0.2.1]" {
		t.Errorf("%+v", c)
	}
	config.HTTP.Host = "https://elsewhere.example.com"
	if c := certificate(config, t.TempDir()); c.Covers {
		t.Error("it covers another name")
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(key), 0o755); err != nil {
		t.Fatal(err)
	}
	if c := certificate(config, t.TempDir()); !c.Exposed {
		t.Error("the key is not exposed")
	}
	for _, wrong := range []string{other, "/nowhere"} {
		config.HTTP.TLS.Certificate = wrong
		if c := certificate(config, t.TempDir()); c.Trouble == "" {
			t.Errorf("%s is used", wrong)
		}
	}
}

// TestThisMachine looks at a directory that is missing, one that all may read, and at ports.
func TestThisMachine(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	_, port, _ := net.SplitHostPort(busy.Addr().String())
	p := driver.DefaultParameters()
	p.DatastorePath = filepath.Join(t.TempDir(), "a", "b")
	p.ListenAddrs, p.DataAddrs = []string{"/ip4/127.0.0.1/tcp/" + port, "/ip4/127.0.0.1/udp/1/quic-v1"}, []string{"/ip4/127.0.0.1/tcp/" + port}
	config := parse(t, "http: {addr: \""+busy.Addr().String()+"\", debug: {addr: \""+busy.Addr().String()+"\"}}")
	m := Machine(t.Context(), config, p, false)
	var keys []string
	for _, taken := range m.Ports {
		keys = append(keys, taken.Key)
		if !strings.Contains(taken.Trouble, "in use") {
			t.Errorf("%+v", taken)
		}
	}
	if fmt.Sprint(keys) != "[http.addr http.debug.addr listenaddrs dataaddrs]" {
		t.Errorf("taken are %v", keys)
	}
	if m.Data.Trouble != "" || m.Data.Exposed || m.Disk == nil || m.Disk.Total == 0 {
		t.Errorf("%+v, %+v", m.Data, m.Disk)
	}
	if _, err := os.Stat(filepath.Dir(p.DatastorePath)); err == nil {
		t.Error("it was made")
	}
	if m := Machine(t.Context(), config, p, true); m.Ports != nil {
		t.Errorf("the running registry's own: %v", m.Ports)
	}
	for _, mode := range []os.FileMode{0o700, 0o755} {
		if err := os.MkdirAll(filepath.Join(p.DatastorePath, "pebble"), mode); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"", "pebble"} {
			if err := os.Chmod(filepath.Join(p.DatastorePath, dir), mode); err != nil {
				t.Fatal(err)
			}
		}
		if got := data(p.DatastorePath).Exposed; got != (mode == 0o755) {
			t.Errorf("mode %o: %v", mode, got)
		}
	}
	p.DatastorePath = filepath.Join(cert(t), "data") // in a file
	if d := data(p.DatastorePath); d.Trouble == "" {
		t.Error("a directory in a file")
	}
}

func cert(t *testing.T) string { c, _ := pair(t); return c }

// TestMirrorsThatAreWrong name this registry, and not as a client reaches it; and containerd does
// not read them.
func TestMirrorsThatAreWrong(t *testing.T) {
	p := driver.DefaultParameters()
	config := parse(t, "http: {addr: \":5000\", host: \"https://registry.example.com:5443\", debug: {addr: \":5001\"}}")
	for name, c := range map[string]struct{ of, content, want string }{
		"right":                {"docker.io", "[host.\"http://localhost:5000\"]\n", "[]"},
		"the data port":        {"docker.io", "[host.\"http://localhost:4620\"]\n", "[http://localhost:4620 is a port of dataaddrs, not of http.addr]"},
		"the swarm's port":     {"docker.io", "[host.\"http://127.0.0.1:4619\"]\n", "[http://127.0.0.1:4619 is a port of listenaddrs, not of http.addr]"},
		"the debug server":     {"docker.io", "[host.\"http://[::1]:5001\"]\n", "[http://[::1]:5001 is a port of http.debug.addr, not of http.addr]"},
		"another machine's":    {"docker.io", "[host.\"http://192.0.2.7:4620\"]\n", "none"},
		"no resolve":           {"docker.io", "[host.\"http://localhost:5000\"]\ncapabilities = [\"pull\"]\n", "[http://localhost:5000 lacks one of the capabilities pull and resolve]"},
		"a name without port":  {"registry.example.com", "server = \"https://registry.example.com\"\n", "[it is about images of registry.example.com, and those of this registry are registry.example.com:5443/…]"},
		"a name with its port": {"registry.example.com_5443_", "", "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for path, content := range map[string]string{
				"etc/containerd/certs.d/" + c.of + "/hosts.toml": c.content, "etc/containerd/config.toml": "version = 2\n",
			} {
				path = filepath.Join(root, path)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			got := "none"
			for _, m := range mirrors(t.Context(), root, addressesOf(config, p), false) {
				got = fmt.Sprint(m.Wrong)
				if m.IgnoredBy != filepath.Join(root, "etc/containerd/config.toml") {
					t.Errorf("ignored by %q", m.IgnoredBy)
				}
			}
			if got != c.want {
				t.Errorf("%s, not %s", got, c.want)
			}
		})
	}
}

// TestMirrorsThatAreWritten: nothing is wrong with what containerd.Add writes.
func TestMirrorsThatAreWritten(t *testing.T) {
	here := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer here.Close()
	_, port, _ := net.SplitHostPort(here.Listener.Addr().String())
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc/containerd"), 0o700); err != nil {
		t.Fatal(err)
	}
	dirs, err := containerd.Directories(root)
	if err != nil || len(dirs) != 1 {
		t.Fatal(dirs, err)
	}
	edits, err := containerd.Add(dirs[0], []string{"docker.io", "a:5000", "_default"}, []containerd.Mirror{{URL: here.URL, DialTimeout: time.Second}})
	for _, e := range edits {
		err = errors.Join(err, os.MkdirAll(filepath.Dir(e.Path), 0o700), os.WriteFile(e.Path, e.After, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	config := parse(t, "http: {addr: \":"+port+"\"}")
	found := mirrors(t.Context(), root, addressesOf(config, driver.DefaultParameters()), true)
	if len(found) != len(edits) {
		t.Errorf("of %d files it finds %+v", len(edits), found)
	}
	for _, m := range found {
		if m.Alone || m.Trouble != "" || m.IgnoredBy != "" || len(m.Wrong) > 0 || len(m.Hosts) != 1 || m.Hosts[0].Trouble != "" {
			t.Errorf("%+v", m)
		}
	}
}

// TestMirrorsOfPodman are found as containerd's are: in drop-ins, too, of which the last about some images
// counts; and a registry is no mirror of its own.
func TestMirrorsOfPodman(t *testing.T) {
	here := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer here.Close()
	_, port, _ := net.SplitHostPort(here.Listener.Addr().String())
	config := parse(t, "http: {addr: \":"+port+"\"}")
	mirror := func(location, more string) string {
		return fmt.Sprintf("[[registry.mirror]]\nlocation = '%s'\n%s\n", location, more)
	}
	table := func(of, more string) string { return fmt.Sprintf("[[registry]]\nlocation = '%s'\n%s\n", of, more) }
	root := t.TempDir()
	for path, content := range map[string]string{
		"registries.conf": table("docker.io", mirror("localhost:1", "")) + table("quay.io", mirror("192.0.2.7:5000", "")) +
			table("localhost:"+port, "insecure = true") + "[[registry]]\nprefix = '*.example.com'\n" + mirror("localhost:"+port, ""),
		"registries.conf.d/a.conf":        table("docker.io", mirror("127.0.0.1:"+port, "insecure = true")),
		"registries.conf.d/b.conf":        table("ghcr.io", mirror("localhost:4620", "insecure = true")),
		"registries.conf.d/c.conf":        "[[registry",
		"registries.conf.d/d.conf":        "[[registry]]\nprefix = 'k8s.io'\nlocation = '127.0.0.1:" + port + "'\ninsecure = true\n",
		"registries.conf.d/e.conf":        table("blocked.example.org", "blocked = true\n"+mirror("localhost:"+port, "")),
		"registries.conf.d/ignored.conf~": table("docker.io", mirror("localhost:"+port, "")),
	} {
		path = filepath.Join(root, "etc/containers", path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, m := range mirrors(t.Context(), root, addressesOf(config, driver.DefaultParameters()), true) {
		text := fmt.Sprintf("%s %s alone=%v unreadable=%v %v", filepath.Base(m.Path), m.Of, m.Alone, m.Trouble != "", m.Wrong)
		for _, h := range m.Hosts {
			text += fmt.Sprintf(" answers=%v", h.Trouble == "")
		}
		got = append(got, strings.ReplaceAll(text, port, "PORT"))
	}
	want := []string{
		"registries.conf localhost:PORT alone=false unreadable=false [] answers=true",
		"registries.conf *.example.com alone=false unreadable=false [] answers=false", // it speaks no TLS
		"a.conf docker.io alone=false unreadable=false [] answers=true",
		"b.conf ghcr.io alone=false unreadable=false [http://localhost:4620 is a port of dataaddrs, not of http.addr]",
		"c.conf  alone=true unreadable=true []",
		"d.conf k8s.io alone=true unreadable=false [] answers=true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

// TestMirrorsOfThisRegistry: which files lead here, which host does not answer, and where nobody
// else is asked.
func TestMirrorsOfThisRegistry(t *testing.T) {
	answer := http.StatusOK
	here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(answer) }))
	defer here.Close()
	_, port, _ := net.SplitHostPort(here.Listener.Addr().String())
	config := parse(t, "http: {addr: \":"+port+"\", host: \"https://registry.example.com\"}")
	root := t.TempDir()
	write := func(of, content string) {
		dir := filepath.Join(root, "etc/containerd/certs.d", of)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "hosts.toml"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("docker.io", "[host.\"http://localhost:"+port+"\"]\n")
	write("_default", "[host.\"http://127.0.0.1:"+port+"\"]\n")
	write("k8s.io", "server = \"http://127.0.0.1:"+port+"\"\n")
	write("quay.io", "[host.\"http://192.0.2.7:5000\"]\n")
	write("ghcr.io", "[host")
	look := func(runs bool) (texts []string) {
		for _, m := range mirrors(t.Context(), root, addressesOf(config, driver.DefaultParameters()), runs) {
			text := fmt.Sprintf("%s alone=%v", m.Of, m.Alone)
			for _, h := range m.Hosts {
				text += fmt.Sprintf(" answers=%v", h.Trouble == "")
			}
			if m.Trouble != "" {
				text = m.Of + " cannot be read"
			}
			texts = append(texts, text)
		}
		return texts
	}
	const want = "[all alone=false answers=%[1]v docker.io alone=false answers=%[1]v ghcr.io cannot be read k8s.io alone=true answers=%[1]v]"
	for _, status := range []int{http.StatusOK, http.StatusUnauthorized, http.StatusNotFound} {
		answer = status
		if got := fmt.Sprint(look(true)); got != fmt.Sprintf(want, status != http.StatusNotFound) {
			t.Errorf("with %d: %s", status, got)
		}
	}
	if got := fmt.Sprint(look(false)); got != fmt.Sprintf(want, true) {
		t.Errorf("while it does not run: %s", got)
	}
	for text, want := range map[string][2]bool{
		"https://registry.example.com": {true, false}, "http://registry.example.com": {}, "https://REGISTRY.example.com:443/v2": {true, false},
		"http://[::1]:" + port: {true, true}, "http://[::1]:1": {},
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if is, local := addressesOf(config, driver.DefaultParameters()).lead(u); is != want[0] || local != want[1] {
			t.Errorf("%s leads here: %v, on this machine: %v", text, is, local)
		}
	}
}
