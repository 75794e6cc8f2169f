package main_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHealthcheck: a container is healthy when /readyz says so, at whatever interface the debug server listens.
func TestHealthcheck(t *testing.T) {
	p := newProcess(t, keygen(t))
	check := func(addr string) (string, error) {
		cmd := p.command("healthcheck")
		cmd.Env = append(cmd.Environ(), "REGISTRY_CONFIGURATION_PATH="+p.Config, "REGISTRY_HTTP_DEBUG_ADDR="+addr, "HTTP_PROXY=http://127.0.0.1:1")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if said, err := check(""); err == nil || !strings.Contains(said, "http.debug.addr") {
		t.Errorf("without a debug server: %v, %q", err, said)
	}
	debug := p.debugged(t)
	if said, err := check(debug); err == nil {
		t.Errorf("nothing runs: %q", said)
	}
	p.start()
	await(t, "it is healthy", func() bool {
		said, err := check(debug)
		return err == nil && said == "ready\n"
	})
	if _, port, err := net.SplitHostPort(debug); err != nil {
		t.Error(err)
	} else if said, err := check("0.0.0.0:" + port); err != nil && strings.HasPrefix(debug, "127.0.0.1:") {
		t.Errorf("at all interfaces: %v, %q", err, said)
	}
	dir := filepath.Join(p.Data, "staging", "writers")
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	if said, err := check(debug); err == nil || !strings.Contains(said, "not ready") || !strings.Contains(said, "not writable") {
		t.Errorf("it cannot write: %v, %q", err, said)
	}
	if err := os.Rename(dir+"-away", dir); err != nil {
		t.Fatal(err)
	}
}
