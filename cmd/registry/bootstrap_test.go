package main_test

import (
	"os"
	"strings"
	"testing"
)

// TestUselessBootstrappersAreReported: each of them is of no use for a reason of its own. A
// warning names address, cause and remedy, and status and metrics report them, except for the
// registry itself.
func TestUselessBootstrappersAreReported(t *testing.T) {
	key := keygen(t)
	closed, nameless, elsewhere, itself := newProcess(t, key), newProcess(t, key), newProcess(t, key, "pubsubtopic: other"), newProcess(t, key)
	p := newProcess(t, key)
	own := strings.TrimPrefix(p.bootstrap(), "bootstrappers: ")
	id := func(q *process) (addr, id string) {
		addr, id, _ = strings.Cut(strings.TrimPrefix(q.bootstrap(), "bootstrappers: "), "/p2p/")
		return addr, id
	}
	addrs := map[string]string{}
	addrs["does not answer"], _ = id(closed)
	_, peerID := id(nameless)
	addrs["does not resolve"] = "/dns4/registry.invalid/tcp/4619"
	list := []string{own, strings.TrimPrefix(closed.bootstrap(), "bootstrappers: "), addrs["does not resolve"] + "/p2p/" + peerID}
	addrs["not on this topic"], peerID = id(elsewhere)
	list = append(list, addrs["not on this topic"]+"/p2p/"+peerID)
	addrs["leads back to this registry"], _, _ = strings.Cut(own, "/p2p/")
	_, peerID = id(itself)
	list = append(list, addrs["leads back to this registry"]+"/p2p/"+peerID)

	elsewhere.start()
	debug := p.debugged(t)
	p.Env = append(p.Env, "REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED=true", "REGISTRY_STORAGE_IPFS_BOOTSTRAPPERS="+strings.Join(list, ","))
	p.start()
	var lines []string
	await(t, "a warning of each", func() bool {
		lines = p.logLines(t, "has not been met since the start")
		return len(lines) >= len(addrs)
	})
	if len(lines) != len(addrs) {
		t.Errorf("more than one warning of each:\n%s", strings.Join(lines, "\n"))
	}
	status := strings.Join(p.statusLines(t), "\n")
	for cause, addr := range addrs {
		if !anyHas(lines, "level=warning", addr, cause) {
			t.Errorf("no warning names %s and %q:\n%s", addr, cause, strings.Join(lines, "\n"))
		}
		if !strings.Contains(status, cause) {
			t.Errorf("status does not say %q:\n%s", cause, status)
		}
	}
	if n := len(p.logLines(t, "Failed to resolve")); n > 0 {
		t.Errorf("the library says so, too, %d times", n)
	}
	if got := series(t, metricsPage(t, debug)); got[`registry_ipfs_bootstrappers{state="not_met"}`] != 4 || got[`registry_ipfs_bootstrappers{state="met"}`] != 0 {
		t.Errorf("metrics: %v", got)
	}
}

// logLines are the lines of a registry's log that contain a text.
func (p *process) logLines(t *testing.T, text string) (found []string) {
	t.Helper()
	log, err := os.ReadFile(p.Log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// anyHas reports whether one of the lines contains all of the texts.
func anyHas(lines []string, texts ...string) bool {
	for _, line := range lines {
		n := 0
		for _, text := range texts {
			if strings.Contains(line, text) {
				n++
			}
		}
		if n == len(texts) {
			return true
		}
	}
	return false
}
