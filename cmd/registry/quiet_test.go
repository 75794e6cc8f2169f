package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	running "github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

// exampleProcess runs config.example.yml as it stands, in a directory of its own.
// The environment changes only what other processes on this machine may have
// taken: the ports.
func exampleProcess(t *testing.T) (p *process, debug string) {
	t.Helper()
	config, err := filepath.Abs("../../config.example.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p = &process{&running.Registry{Name: t.Name(), Binary: binary, Dir: dir, Config: config, Log: filepath.Join(dir, "log"), HTTP: freeAddr(t)}, t}
	debug = freeAddr(t)
	p.Env = []string{
		"REGISTRY_HTTP_ADDR=" + p.HTTP, "REGISTRY_HTTP_DEBUG_ADDR=" + debug,
		"REGISTRY_STORAGE_IPFS_LISTENADDRS=" + multiaddr(freeAddr(t)),
		"REGISTRY_STORAGE_IPFS_DATAADDRS=" + multiaddr(freeAddr(t)),
	}
	t.Cleanup(p.Kill)
	return p, debug
}

// multiaddr writes a host and port as libp2p does.
func multiaddr(addr string) string {
	host, port, _ := strings.Cut(addr, ":")
	return "/ip4/" + host + "/tcp/" + port
}

// unset keeps a variable of the tests' environment from the registry.
func unset(t *testing.T, name string) {
	t.Helper()
	t.Setenv(name, "") // puts it back afterwards
	if err := os.Unsetenv(name); err != nil {
		t.Fatal(err)
	}
}

// TestExampleRunsWithoutRepeatingItself also asks for health checks and for spans
// to be sent on, both often, which is where a line would repeat.
func TestExampleRunsWithoutRepeatingItself(t *testing.T) {
	for _, name := range []string{"OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		unset(t, name)
	}
	p, debug := exampleProcess(t)
	p.Env = append(p.Env, "REGISTRY_HEALTH_STORAGEDRIVER_ENABLED=true", "REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL=100ms", "OTEL_BSP_SCHEDULE_DELAY=100")
	p.start()
	for i := range 3 {
		name := fmt.Sprintf("a:%d", i)
		pull(t, p, name, push(t, p, name))
	}
	before := healthChecks(t, debug)
	await(t, "the health check ran often", func() bool { return healthChecks(t, debug) >= before+20 })
	if err := p.Stop(); err != nil {
		t.Fatalf("exit: %v", err)
	}
	for message, n := range p.messages(t) {
		if n > 3 || strings.HasPrefix(message, "level=error") || strings.HasPrefix(message, "level=fatal") {
			t.Errorf("logged %d times: %s", n, message)
		}
	}
}

var (
	logLine   = regexp.MustCompile(`(level=\w+) msg=("(?:[^"\\]|\\.)*"|\S+)`)
	statCount = regexp.MustCompile(`(?m)^registry_storage_action_seconds_count\{action="Stat",driver="ipfs"\} (\d+)`)
)

// messages counts what the process logged, but for the lines that every request
// has of its own.
func (p *process) messages(t *testing.T) map[string]int {
	t.Helper()
	f, err := os.Open(p.Log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	counts := map[string]int{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		said := logLine.FindStringSubmatch(line)
		if said == nil || strings.Contains(line, " http.request.") {
			continue
		}
		counts[said[1]+" "+said[2]]++
	}
	if err := lines.Err(); err != nil || len(counts) == 0 {
		t.Fatalf("%d messages in the log: %v", len(counts), err)
	}
	return counts
}

// healthChecks counts them by what each asks of the driver.
func healthChecks(t *testing.T, debug string) (n int) {
	t.Helper()
	if m := statCount.FindStringSubmatch(metricsPage(t, debug)); m != nil {
		if _, err := fmt.Sscan(m[1], &n); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// metricsPage is what Prometheus would read.
func metricsPage(t *testing.T, debug string) string {
	t.Helper()
	resp, err := http.Get("http://" + debug + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	page, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %v", resp.Status, err)
	}
	return string(page)
}
