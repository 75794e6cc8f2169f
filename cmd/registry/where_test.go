package main_test

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestWhereAnImageIs, as an operator and a script see it, also when nobody has a layer any more.
func TestWhereAnImageIs(t *testing.T) {
	key := keygen(t)
	a := newProcess(t, key, "name: attic", "replicas: 0").start()
	b := newProcess(t, key, a.bootstrap(), "name: barn", "replicas: 0").start()
	awaitAllConnected(t, []*process{a, b})
	img := push(t, a, "team/app:1")
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	d, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the manifest is on both", func() bool {
		out, err := b.where("team/app:1")
		return err == nil && strings.Contains(line(out, "manifest"), "barn, attic") // the one that is asked comes first
	})
	out, err := b.where("team/app:1")
	layer := line(out, d.String()[:19])
	if err != nil || !strings.Contains(layer, "layer") || !strings.Contains(layer, "attic") || strings.Contains(out, "NOT COUNTED") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = b.where(d.String())
	if row := line(out, "  blob "); err != nil || !strings.Contains(row, "attic") || strings.Contains(row, "barn") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = b.where("--wide", "team/app:1"); err != nil || !strings.Contains(out, d.String()) {
		t.Errorf("%v\n%s", err, out)
	}
	var w driver.Where
	out, err = b.where("--json", "team/app:1")
	if err := errors.Join(err, json.Unmarshal([]byte(out), &w)); err != nil || len(w.Blobs) != 2+len(layers) || len(w.Members) != 2 {
		t.Errorf("%v: %s", err, out)
	}
	a.Kill()
	await(t, "it is away", func() bool { return !b.sees() })
	out, err = b.where("team/app:1")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(out, "on 1 registry\n") || !strings.Contains(out, "NOT COUNTED") || !strings.Contains(line(out, "attic"), "away since") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = b.where("team/app:2"); err == nil || strings.Contains(out, "WHERE") {
		t.Errorf("%v\n%s", err, out)
	}
}

// where runs the command; what it printed.
func (p *process) where(args ...string) (string, error) {
	flags := []string{"ipfs", "where"}
	if strings.HasPrefix(args[0], "--") {
		flags, args = append(flags, args[0]), args[1:]
	}
	out, err := exec.Command(p.Binary, append(append(flags, p.Config), args...)...).Output()
	return string(out), err
}

// line is the first line with a text in it.
func line(out, text string) string {
	for l := range strings.Lines(out) {
		if strings.Contains(l, text) {
			return l
		}
	}
	return ""
}
