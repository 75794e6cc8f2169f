package main_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// probe asks one of the probes, and returns its status, 0 when there is no answer, and its
// text.
func probe(debug, path string) (int, string) {
	resp, err := http.Get("http://" + debug + path)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// debugged gives a registry a debug server.
func (p *process) debugged(t *testing.T) (debug string) {
	t.Helper()
	debug = freeAddr(t)
	p.Env = append(p.Env, "REGISTRY_HTTP_DEBUG_ADDR="+debug)
	return debug
}

// TestReadyOnceAMemberIsMet: a registry that joins others serves what it has, and is ready
// when it has met one. A registry that is its own bootstrapper joins nobody.
func TestReadyOnceAMemberIsMet(t *testing.T) {
	key := keygen(t)
	a := newProcess(t, key)
	b := newProcess(t, key, a.bootstrap(), "alonetimeout: 2s") // for which its first push waits
	debugA, debugB := a.debugged(t), b.debugged(t)
	b.start()
	if status, text := probe(debugB, "/livez"); status != http.StatusOK {
		t.Errorf("alive: %d %s", status, text)
	}
	if status, text := probe(debugB, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(text, "no member") {
		t.Errorf("alone: %d %s", status, text)
	}
	pull(t, b, "a:1", push(t, b, "a:1"))
	a.Env = append(a.Env, strings.Replace(a.bootstrap(), "bootstrappers: ", "REGISTRY_STORAGE_IPFS_BOOTSTRAPPERS=", 1))
	a.start()
	await(t, "both are ready", func() bool {
		statusA, _ := probe(debugA, "/readyz")
		statusB, _ := probe(debugB, "/readyz")
		return statusA == http.StatusOK && statusB == http.StatusOK
	})
	a.Kill()
	await(t, "the other is missed", func() bool { return !b.sees() })
	if status, text := probe(debugB, "/readyz"); status != http.StatusOK {
		t.Errorf("it has joined, and the other left: %d %s", status, text)
	}
}

// TestNotReadyWithoutAWritableStorage takes the room, and gives it back.
func TestNotReadyWithoutAWritableStorage(t *testing.T) {
	p := newProcess(t, keygen(t))
	debug := p.debugged(t)
	p.Env = append(p.Env, "REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED=true")
	p.start()
	dir := filepath.Join(p.Data, "staging", "writers")
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	if status, text := probe(debug, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(text, "not writable") {
		t.Errorf("%d %s", status, text)
	}
	if ready := series(t, metricsPage(t, debug))["registry_ipfs_ready"]; ready != 0 {
		t.Errorf("registry_ipfs_ready is %v while it is not", ready)
	}
	if err := os.Rename(dir+"-away", dir); err != nil {
		t.Fatal(err)
	}
	if status, text := probe(debug, "/readyz"); status != http.StatusOK {
		t.Errorf("%d %s", status, text)
	}
	if ready := series(t, metricsPage(t, debug))["registry_ipfs_ready"]; ready != 1 {
		t.Errorf("registry_ipfs_ready is %v while it is", ready)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}
