package main_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestForgetAMember by its name and by the end of its peer ID, once it is away.
func TestForgetAMember(t *testing.T) {
	key := keygen(t)
	a := newProcess(t, key, "name: attic")
	b, c := newProcess(t, key, a.bootstrap(), "name: barn/2"), newProcess(t, key, a.bootstrap(), "name: cellar")
	ps := []*process{a, b, c}
	for _, p := range ps {
		p.start()
	}
	awaitAllConnected(t, ps)
	await(t, "names are known", func() bool {
		ms := a.status().Members
		return ms[0].Name != "" && ms[1].Name != ""
	})
	peerC := c.status().PeerID
	for name, reason := range map[string]string{"barn/2": "is connected", "nobody": "no member is called"} {
		if out, err := a.forgetMember(name); err == nil || !strings.Contains(out, reason) || strings.Count(out, "\n") != 1 {
			t.Errorf("forget %q: %v %q", name, err, out)
		}
	}
	b.Kill()
	c.Kill()
	await(t, "they are away", func() bool {
		ms := a.status().Members
		return !ms[0].Connected && !ms[1].Connected
	})
	for _, name := range []string{"barn/2", peerC[len(peerC)-8:]} {
		if out, err := a.forgetMember(name); err != nil || !strings.HasPrefix(out, "forgot ") {
			t.Errorf("forget %s: %v %s", name, err, out)
		}
	}
	if ms := a.status().Members; len(ms) != 0 {
		t.Errorf("members: %+v", ms)
	}
	b.start()
	await(t, "it is a member again", func() bool {
		ms := a.status().Members
		return len(ms) == 1 && ms[0].Connected && ms[0].Name == "barn/2"
	})
}

// forgetMember runs the command; what it said on both outputs.
func (p *process) forgetMember(member string) (string, error) {
	out, err := exec.Command(p.Binary, "ipfs", "forget", p.Config, member).CombinedOutput()
	return string(out), err
}
