package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestClocksThatDisagree joins registries whose clocks are off by days, years and decades,
// both ways: each is a member for all others, and each pulls what was pushed to any of
// them, by data ports and over libp2p.
func TestClocksThatDisagree(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds all of the registry once more, with a clock that can be set")
	}
	skewed := buildSkewed(t)
	const day = 24 * time.Hour
	key := keygen(t)
	ps := []*process{newProcess(t, key)}
	for _, skew := range []struct {
		by   time.Duration
		more string
	}{
		{by: -3 * day}, {by: 3 * day}, {by: -3 * 365 * day}, {by: 3 * 365 * day, more: `dataaddrs: ""`},
		{by: -time.Since(time.Unix(0, 0).Add(day))}, // it was never set
	} {
		extra := []string{key, ps[0].bootstrap()}
		p := newProcess(t, extra...)
		if skew.more != "" {
			p.replaceLine(t, "dataaddrs:", skew.more)
		}
		p.Binary = skewed
		p.Env = []string{fmt.Sprintf("%s=%d", skewVariable, int64(skew.by/time.Second))}
		ps = append(ps, p)
	}
	for _, p := range ps {
		p.start()
	}
	awaitAllConnected(t, ps)
	for i, from := range ps {
		name := fmt.Sprintf("a:%d", i)
		img := push(t, from, name)
		content, path := layer(t, from, mib)
		for j, to := range ps {
			pull(t, to, name, img)
			if got, status, err := body(to, path); status != http.StatusOK || err != nil || string(got) != string(content) {
				t.Errorf("from %d to %d: %d, %d bytes, %v", i, j, status, len(got), err)
			}
		}
	}
	without := ps[4].status().PeerID
	for i, p := range ps {
		for _, m := range p.status().Members {
			if m.DataPort == (i == 4 || m.PeerID == without) {
				t.Errorf("%d fetches from %s by its data port: %v", i, m.PeerID, m.DataPort)
			}
		}
	}
}

// skewVariable has a binary of buildSkewed believe that it is so many seconds later.
const skewVariable = "REGISTRY_TEST_SKEW"

// buildSkewed builds the registry with another clock: a time.Now of its own, because
// Go asks the kernel past libraries like libfaketime.
func buildSkewed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	std := filepath.Join(strings.TrimSpace(string(out)), "src", "time")
	source, err := os.ReadFile(filepath.Join(std, "time.go"))
	if err != nil {
		t.Fatal(err)
	}
	const reads = "\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(source), reads) == 0 {
		t.Fatal("time.Now reads the clock in another way than this test knows")
	}
	overlay := map[string]map[string]string{"Replace": {
		filepath.Join(std, "time.go"): write(t, dir, "time.go", strings.ReplaceAll(string(source), reads, reads+"\tsec += skew\n")),
		filepath.Join(std, "skew.go"): write(t, dir, "skew.go", skewSource),
	}}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "registry")
	if out, err := exec.Command("go", "build", "-overlay", write(t, dir, "overlay.json", string(text)), "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

const skewSource = `package time

import "syscall"

var skew = readSkew()

func readSkew() (seconds int64) {
	text, _ := syscall.Getenv("` + skewVariable + `")
	for _, c := range text {
		if c != '-' {
			seconds = 10*seconds + int64(c-'0')
		}
	}
	if len(text) > 0 && text[0] == '-' {
		return -seconds
	}
	return seconds
}
`

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
