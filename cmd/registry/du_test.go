package main_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestWhatImagesTake, as an operator and a script ask.
func TestWhatImagesTake(t *testing.T) {
	a := newProcess(t, keygen(t), "name: attic").start()
	push(t, a, "team/app:1")
	push(t, a, "team/app:2")
	du := func(env string, args ...string) (string, error) {
		cmd := exec.Command(a.Binary, append([]string{"ipfs", "du"}, args...)...)
		cmd.Env = append(os.Environ(), env)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return stderr.String(), err
		}
		return string(out), nil
	}
	out, err := du("", a.Config)
	for _, want := range []string{"  team/app ", "  team/app:1 ", "  team/app:2 ", "all 2 images above"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("no %q, %v:\n%s", want, err, out)
		}
	}
	var u driver.Usage
	out, err = du("REGISTRY_CONFIGURATION_PATH="+a.Config, "--json", "team/app:2")
	if err := errors.Join(err, json.Unmarshal([]byte(out), &u)); err != nil || len(u.Images) != 1 || u.Images[0].Tag != "2" || u.Images[0].Frees == 0 {
		t.Errorf("%v: %s", err, out)
	}
	if out, err = du("", a.Config, "team/app:3", "other"); err == nil || !strings.Contains(out, "team/app:3, other: this registry does not know it") {
		t.Errorf("%v: %s", err, out)
	}
}
