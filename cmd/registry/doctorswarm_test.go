package main_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/skewed"
)

// ill is what is wrong with one of the registries of a swarm, as doctor is to find it.
type ill struct{ kind, subject, what string }

// sickSwarm starts registries each of which has something, and returns the one that is well, and
// what the others have. late is a binary whose clock can be wrong; without it none is.
func sickSwarm(t *testing.T, late string) (well *process, all []ill) {
	key := keygen(t)
	well = newProcess(t, key, "name: well").start()
	join := func(name string, extra ...string) *process {
		return newProcess(t, append([]string{key, well.bootstrap(), "name: " + name}, extra...)...)
	}
	shut := join("shut", "dataannounceaddrs: "+multiaddr(freeAddr(t))).start()
	all = append(all, ill{"data-port-closed", "shut (", "the connection is refused"})
	push(t, shut, "team/alone:1")
	all = append(all, ill{"single-copy", "shut (", "team/alone:1"})
	if late != "" {
		p := join("late")
		p.Binary, p.Env = late, []string{skewed.Env(time.Hour)}
		p.start()
		all = append(all, ill{"clock-differs", "late (", "1h"})
	}
	if os.Geteuid() == 0 {
		full := join("full")
		fill := small(t, full)
		full.start()
		fill()
		all = append(all, ill{"disk-full", "full (", "are free"})
	}
	cloned, clone := join("cloned").start(), join("cloned")
	if err := cloned.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(clone.Data, os.DirFS(cloned.Data)); err != nil {
		t.Fatal(err)
	}
	cloned.start()
	clone.start()
	all = append(all, ill{"twin", "cloned (", "two registries run with its peer ID"})
	return well, all
}

func (d diagnosis) names(i ill) bool {
	for _, f := range d.Findings {
		if f.Kind == i.kind && strings.HasPrefix(f.Subject, i.subject) && strings.Contains(f.What, i.what) && f.Means != "" && f.Remedy != "" {
			return true
		}
	}
	return false
}

func namesAll(t *testing.T, late string) {
	well, all := sickSwarm(t, late)
	var d diagnosis
	for deadline := time.Now().Add(within); len(all) > 0; time.Sleep(time.Second) {
		d = well.examine()
		left := all[:0]
		for _, i := range all {
			if !d.names(i) {
				left = append(left, i)
			}
		}
		if all = left; len(all) > 0 && time.Now().After(deadline) {
			t.Fatalf("not found: %v in\n%+v", all, d)
		}
	}
}

// TestDoctorNamesWhoIsIll asks one registry of a swarm in which the others have a closed data port,
// an image that nobody else has, a full disk (as root), and a clone.
func TestDoctorNamesWhoIsIll(t *testing.T) { namesAll(t, "") }

// TestClocksAndDoctor is the same, with a registry whose clock is an hour ahead.
func TestClocksAndDoctor(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds all of the registry once more, with a clock that can be set")
	}
	namesAll(t, buildSkewed(t))
}
