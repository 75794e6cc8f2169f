package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommandsRightAfterAStart neither fail nor make the registry's start fail, although they
// may open the datastore first, or ask before the registry answers.
func TestCommandsRightAfterAStart(t *testing.T) {
	key := keygen(t)
	for _, command := range []string{"id", "status", "verify"} {
		t.Run(command, func(t *testing.T) {
			p := newProcess(t, key)
			for range 3 {
				p.spawn()
				out, err := p.command("ipfs", command).CombinedOutput()
				// verify may find that the registry has not begun yet, and never ran.
				if err != nil && !strings.Contains(string(out), "no registry ran there") {
					t.Errorf("%v: %s", err, out)
				}
				if err := p.AwaitAnswer(t.Context()); err != nil {
					t.Fatal(err)
				}
				p.Kill()
			}
		})
	}
}

// TestRootLeavesNothingInAnothersDatastore, which the registry's user could not open.
func TestRootLeavesNothingInAnothersDatastore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	p := newProcess(t, keygen(t)).start()
	p.Kill()
	store := filepath.Join(p.Data, "pebble")
	for _, path := range append(files(t, store), filepath.Dir(store), store) {
		if err := os.Chown(path, 4619, 4619); err != nil {
			t.Fatal(err)
		}
	}
	before := files(t, store)
	for _, command := range []string{"id", "verify"} {
		out, err := p.command("ipfs", command).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "sudo -u #4619 registry ipfs "+command+" "+p.Config) {
			t.Errorf("%s: %v %s", command, err, out)
		}
	}
	if after := files(t, store); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Errorf("the datastore has %v, not %v", after, before)
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestForgetNeedsAMember, and says so when only the configuration is named.
func TestForgetNeedsAMember(t *testing.T) {
	p := newProcess(t, keygen(t))
	out, err := exec.Command(p.Binary, "ipfs", "forget", p.Config).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "name the configuration and the member") {
		t.Errorf("%v %s", err, out)
	}
}
