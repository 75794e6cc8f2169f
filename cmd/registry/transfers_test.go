package main_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestWhyAPullIsSlow, as an operator and a script see it: of a trace, of what is over, and of what
// happens.
func TestWhyAPullIsSlow(t *testing.T) {
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
		return err == nil && strings.Contains(line(out, "manifest"), "barn, attic")
	})
	out, err := b.trace("team/app:1", "--dry-run")
	if row := line(string(out), d.String()[:19]); err != nil || !strings.Contains(row, "attic (") || !strings.Contains(string(out), "nothing was fetched") {
		t.Errorf("%v\n%s", err, out)
	}
	lines := b.follow(t)
	out, err = b.trace("team/app:1")
	if row := line(string(out), d.String()[:19]); err != nil || !strings.Contains(row, "attic") || !strings.Contains(string(out), "LIMITED BY") {
		t.Errorf("%v\n%s", err, out)
	}
	await(t, "it is told of", func() bool {
		var all driver.TransferStories
		if err := json.Unmarshal(lines(), &all); err != nil {
			t.Fatal(err)
		}
		for _, s := range all.Finished {
			if s.Digest == d.String() && s.For == "trace" {
				return true
			}
		}
		return false
	})
	out, err = b.command("ipfs", "transfers").Output()
	if row := line(string(out), d.String()[:19]); err != nil || !strings.Contains(row, "attic") || !strings.Contains(row, "trace") || !strings.Contains(row, "whole") {
		t.Errorf("%v\n%s", err, out)
	}
	var all driver.TransferStories
	out, err = b.command("ipfs", "transfers", "--json").Output()
	if err := errors.Join(err, json.Unmarshal(out, &all)); err != nil || len(all.Finished) < 2 {
		t.Errorf("%v: %s", err, out)
	}
	var exit *exec.ExitError
	if out, err = b.trace("team/app:2"); !errors.As(err, &exit) || exit.ExitCode() != 1 || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// trace runs the command; what it printed.
func (p *process) trace(args ...string) ([]byte, error) {
	return exec.Command(p.Binary, slices.Concat([]string{"ipfs", "trace", p.Config}, args)...).Output()
}

// follow begins to follow the transfers, as follows does.
func (p *process) follow(t *testing.T) func() []byte {
	t.Helper()
	return p.follows(t, "transfers")
}

// follows begins to follow what a command tells; it gives one line after the other. At the end it
// interrupts the command, which then exits with status 0.
func (p *process) follows(t *testing.T, command string) func() []byte {
	t.Helper()
	cmd := exec.Command(p.Binary, "ipfs", command, "--follow", "--json", p.Config)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait()); err != nil {
			t.Error(err)
		}
	})
	lines := bufio.NewReader(out)
	return func() []byte {
		l, err := lines.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
}
