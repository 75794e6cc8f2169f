package main_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/skewed"
)

// TestClocksThatDisagree joins registries whose clocks are off by days, years and decades,
// both ways: each is a member for all others, and each pulls what was pushed to any of
// them, by data ports and over libp2p.
func TestClocksThatDisagree(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds all of the registry once more, with a clock that can be set")
	}
	late := buildSkewed(t)
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
		p.Binary = late
		p.Env = []string{skewed.Env(skew.by)}
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

func buildSkewed(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "registry")
	if err := skewed.Build(t.Context(), ".", binary); err != nil {
		t.Fatal(err)
	}
	return binary
}
