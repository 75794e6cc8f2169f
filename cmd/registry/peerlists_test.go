package main_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// peerID is that of a registry that may not have run yet.
func (p *process) peerID() string {
	p.t.Helper()
	_, id, _ := strings.Cut(p.bootstrap(), "/p2p/")
	return id
}

// mounted writes files as Kubernetes mounts a ConfigMap: links into a directory, in whose place another
// one is put. It returns what writes the file again.
func mounted(t *testing.T, dir, name string) (publish func(content string)) {
	t.Helper()
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	version := 0
	return func(content string) {
		t.Helper()
		version++
		of := fmt.Sprintf("..%d", version)
		fatal(os.Mkdir(filepath.Join(dir, of), 0o700))
		fatal(os.WriteFile(filepath.Join(dir, of, name), []byte(content), 0o600))
		fatal(os.Symlink(of, filepath.Join(dir, "..tmp")))
		fatal(os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")))
		if version == 1 {
			fatal(os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
		}
	}
}

// TestAListOfPeersIsReadAgain when it changes, and at SIGHUP: a registry that is taken out of it takes no
// pushes from then on, and takes them again when it is back, in the same run.
func TestAListOfPeersIsReadAgain(t *testing.T) {
	t.Parallel()
	key, dir := keygen(t), t.TempDir()
	p := newProcess(t, key, "trustedpeersfile: "+filepath.Join(dir, "trusted"), "allowedpeersfile: "+filepath.Join(dir, "trusted"))
	publish := mounted(t, dir, "trusted")
	other := newProcess(t, key, p.bootstrap())
	publish(p.peerID() + " # attic\n" + other.peerID() + "\n")
	p.start()
	other.start()
	img := push(t, p, "a:1")
	pull(t, other, "a:1", img)
	uploads := func() int {
		resp, err := http.Post("http://"+p.HTTP+"/v2/a/blobs/uploads/", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}

	publish(other.peerID())
	await(t, "the list is read again", func() bool { return p.status().ReadOnly })
	if code := uploads(); code != http.StatusMethodNotAllowed {
		t.Errorf("a push is answered %d", code)
	}
	pull(t, p, "a:1", img)
	if lines := p.statusLines(t); !slices.ContainsFunc(lines, func(l string) bool {
		return strings.Contains(l, "trustedpeers") && strings.Contains(l, "1 peer, by "+dir)
	}) {
		t.Errorf("status: %q", lines)
	}

	publish(p.peerID())
	if err := p.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, "SIGHUP has it read", func() bool { return !p.status().ReadOnly })
	if code := uploads(); code != http.StatusAccepted {
		t.Errorf("a push is answered %d", code)
	}
	await(t, "the other registry is out", func() bool { return !p.sees() && !other.sees() })
	if lines := p.logLines(t, "a list of peers has changed"); len(lines) < 2 || !strings.Contains(lines[0], "attic") {
		t.Errorf("it logs %q", lines)
	}

	publish("nobody\n")
	await(t, "status says what is wrong", func() bool {
		return slices.ContainsFunc(p.statusLines(t), func(l string) bool { return strings.Contains(l, "line 1") && strings.Contains(l, "last good list") })
	})
	found := p.examine()
	if f, ok := found.of("list-unusable"); !ok || f.Subject != "trustedpeersfile" {
		t.Errorf("doctor finds %+v", found.Findings)
	}
	push(t, p, "a:2")
	if lines := p.logLines(t, "cannot be read: the last good one stays"); len(lines) != 2 { // of both keys
		t.Errorf("it logs %q", lines)
	}
}

// TestARegistryGoesOnAfterASIGHUP that has no lists in files: it says that nothing is read again.
func TestARegistryGoesOnAfterASIGHUP(t *testing.T) {
	t.Parallel()
	p := newProcess(t, keygen(t)).start()
	if err := p.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, "it says what it has read", func() bool { return len(p.logLines(t, "SIGHUP: nothing is read again")) == 1 })
	img := push(t, p, "a:1")
	pull(t, p, "a:1", img)
}
