package main_test

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestDiffOfTwoImages, as an operator and a script ask.
func TestDiffOfTwoImages(t *testing.T) {
	a := newProcess(t, keygen(t), "name: attic").start()
	push(t, a, "team/app:1")
	push(t, a, "team/app:2")
	diff := func(args ...string) (string, error) {
		out, err := exec.Command(a.Binary, append([]string{"ipfs", "diff"}, args...)...).Output()
		return string(out), err
	}
	out, err := diff(a.Config, "team/app:1", "team/app:2")
	if err != nil || !strings.Contains(line(out, "SHARED"), "ONLY team/app:2") || !strings.Contains(line(out, "files, by bytes"), "0 (0 B), 0%") {
		t.Errorf("%v\n%s", err, out)
	}
	var d driver.Diff
	out, err = diff("--json", a.Config, "team/app:2", "team/app:2")
	if err := errors.Join(err, json.Unmarshal([]byte(out), &d)); err != nil || len(d.Platforms) != 1 || d.Platforms[0].Blobs.Percent() != 100 {
		t.Errorf("%v: %s", err, out)
	}
	if out, err = diff(a.Config, "team/app:2", "team/app:3"); err == nil || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
}
