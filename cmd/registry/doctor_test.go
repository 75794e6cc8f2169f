package main_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// diagnosis is what `ipfs doctor --json` prints.
type diagnosis struct {
	Severity string
	Findings []finding
}

type finding struct{ Check, Kind, Severity, Subject, What, Means, Remedy string }

// examine runs `ipfs doctor`, whose status has to be that of its findings.
func (p *process) examine() (d diagnosis) {
	p.t.Helper()
	out, err := p.command("ipfs", "doctor", "--json").Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	if err := json.Unmarshal(out, &d); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	status := 0
	if exit != nil {
		status = exit.ExitCode()
		if len(exit.Stderr) > 0 {
			p.t.Errorf("it says as well: %s", exit.Stderr)
		}
	}
	if want := map[string]int{"ok": 0, "unknown": 0, "warning": 1, "broken": 2}[d.Severity]; status != want {
		p.t.Errorf("exit status %d: %s", status, d.Severity)
	}
	return d
}

func (d diagnosis) of(kind string) (found finding, ok bool) {
	i := slices.IndexFunc(d.Findings, func(f finding) bool { return f.Kind == kind })
	if i < 0 {
		return finding{}, false
	}
	return d.Findings[i], true
}

// TestDoctorOfAStoppedRegistry looks at what it can: a configuration that cannot be used, and one
// that can, with a key that all may read, a port that is in use, and more. It makes nothing.
func TestDoctorOfAStoppedRegistry(t *testing.T) {
	bad := newProcess(t, "replicsa: 3")
	d := bad.examine()
	if f, ok := d.of("config-unusable"); !ok || !strings.Contains(f.What, `did you mean "replicas"?`) || d.Severity != "broken" {
		t.Errorf("%+v", d)
	}
	busy := newProcess(t, keygen(t)).start()
	dir := t.TempDir()
	key := filepath.Join(dir, "swarm.key")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(key, []byte(strings.Repeat("ab", 32)), 0o644), os.Chmod(key, 0o644)); err != nil {
		t.Fatal(err)
	}
	p := newProcess(t, "protectorkeyfile: "+key)
	appendConfig(t, p, "proxy: {remoteurl: \"http://127.0.0.1:1\", ttl: 0}")
	p.Env = []string{
		"REGISTRY_HTTP_ADDR=" + busy.HTTP, "REGISTRY_HTTP_HOST=registry.example.com", "REGISTRY_HTTP_SECRET=short",
		"REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR=inmemory", "REGISTRY_PORT_5000_TCP=tcp://10.0.0.1:5000",
	}
	d = p.examine()
	for _, kind := range []string{"not-running", "key-exposed", "port-taken", "http-host-bad", "secret-weak", "descriptor-cache", "variables-ignored"} {
		if f, ok := d.of(kind); !ok || f.Means == "" || f.Remedy == "" {
			t.Errorf("no %s in %+v", kind, d)
		}
	}
	if d.Severity != "broken" {
		t.Errorf("it is %s", d.Severity)
	}
	if _, err := os.Stat(p.Data); err == nil {
		t.Error("it has made the datastore")
	}
	out, err := p.command("ipfs", "doctor").Output()
	for _, line := range []string{"BROKEN   port-taken: http.addr: ", "WARNING  key-exposed: protectorkeyfile: ", "         -> `chmod 0600` the file", "UNKNOWN  descriptors, "} {
		if err == nil || !strings.Contains(string(out), line) {
			t.Errorf("no %q in %v:\n%s", line, err, out)
		}
	}
	if strings.Contains(string(out), "\x1b") {
		t.Errorf("colors, and no terminal: %s", out)
	}
}

// TestDoctorOfARunningRegistry, which is alone and in order, but for what this machine is like. Nobody is
// there who could try its ports: that they are open is not known.
func TestDoctorOfARunningRegistry(t *testing.T) {
	p := newProcess(t, keygen(t)).start()
	d := p.examine()
	machine := []string{"disk-low", "inodes-low", "descriptors-few"}
	for _, f := range d.Findings {
		want := "ok"
		if f.Check == "outside" {
			want = "unknown"
		}
		if f.Severity != want && !slices.Contains(machine, f.Kind) {
			t.Errorf("%+v", f)
		}
	}
}
