package main_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestWhatLostAConflictComesBack: a tag is pushed on two sides of a partition; afterwards both logs say
// which one won, and the command that they give brings back the other one.
func TestWhatLostAConflictComesBack(t *testing.T) {
	a, b, link := linked(t)
	link.Cut(true)
	await(t, "they are apart", func() bool { return !a.sees() && !b.sees() })
	sides := []v1.Image{push(t, a, "team/app:1.0"), push(t, b, "team/app:1.0")}
	link.Cut(false)
	awaitAllConnected(t, []*process{a, b})
	await(t, "the maps agree", func() bool { return a.status().Map.Digest == b.status().Map.Digest })
	won, err := crane.Digest(a.HTTP+"/team/app:1.0", crane.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	lost := sides[0]
	if d, _ := lost.Digest(); d.String() == won {
		lost = sides[1]
	}
	loser, _ := lost.Digest()
	var logs []string
	for _, p := range []*process{a, b} {
		out := p.log("--conflicts", "--wide")
		if !strings.Contains(out, "won over "+loser.String()) || !strings.Contains(out, "team/app:1.0 is "+won) || strings.Contains(out, "MORE") {
			t.Errorf("it says\n%s", out)
		}
		logs = append(logs, strings.ReplaceAll(out, p.HTTP, "HOST"))
		var l driver.Log
		if err := json.Unmarshal([]byte(p.log("--json")), &l); err != nil || len(l.Changes) != 2 {
			t.Fatalf("%v: %+v", err, l)
		}
		for _, c := range l.Changes {
			if c.What != "tagged" || c.Conflict == nil || c.Conflict.Won.Digest != won || c.Conflict.Lost[0].Digest != loser.String() || !c.Conflict.Open {
				t.Errorf("%+v %+v", c, c.Conflict)
			}
		}
	}
	if logs[0] != logs[1] {
		t.Errorf("they do not say the same:\n%s\n%s", logs[0], logs[1])
	}
	for i, p := range []*process{a, b} {
		get := regexp.MustCompile(`to get it back: crane tag (\S+) (\S+)\n`).FindStringSubmatch(p.log())
		if get == nil {
			t.Fatalf("it says not how to get it back:\n%s", p.log())
		}
		if err := crane.Tag(get[1], get[2]); err != nil { // as the command does
			t.Fatal(err)
		}
		for _, other := range []*process{a, b}[i : i+1] {
			pull(t, other, "team/app:"+get[2], lost)
		}
	}
	if out := a.log("--repository", "other"); !strings.Contains(out, "none") {
		t.Errorf("of another repository:\n%s", out)
	}
	if out := a.log("--since", "1h", "--limit", "1"); strings.Count(out, "team/app:1.0") != 1 || !strings.Contains(out, "--before ") {
		t.Errorf("of one change:\n%s", out)
	}
}

// log runs the command; what it printed.
func (p *process) log(args ...string) string {
	p.t.Helper()
	cmd := p.command(slices.Concat([]string{"ipfs", "log"}, args)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("%v: %s", err, said.String())
	}
	return string(out)
}

// TestTheLogIsFollowed: what is pushed on another registry is told, until the command is interrupted.
func TestTheLogIsFollowed(t *testing.T) {
	key := keygen(t)
	a := newProcess(t, key, "name: attic").start()
	b := newProcess(t, key, a.bootstrap(), "name: barn").start()
	awaitAllConnected(t, []*process{a, b})
	push(t, a, "team/app:1.0")
	next := a.follows(t, "log")
	tells := func(tag string) {
		t.Helper()
		var c driver.LogChange
		for line := next(); ; line = next() {
			if err := json.Unmarshal(line, &c); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			if c.Tag != "" {
				break
			}
		}
		if c.What != "tagged" || c.Repository != "team/app" || c.Tag != tag {
			t.Errorf("it tells of %+v, not of %s", c, tag)
		}
	}
	tells("1.0")
	push(t, b, "team/app:1.1")
	tells("1.1")
	push(t, a, "team/app:1.2")
	tells("1.2")
}

// TestThePeersOfAProcess, as an operator and a script see them.
func TestThePeersOfAProcess(t *testing.T) {
	key := keygen(t)
	a := newProcess(t, key, "name: attic").start()
	b := newProcess(t, key, a.bootstrap(), "name: barn").start()
	awaitAllConnected(t, []*process{a, b})
	out, err := b.command("ipfs", "peers").Output()
	if row := line(string(out), "attic"); err != nil || !strings.Contains(row, "trusted") || !strings.Contains(row, "tcp, dialed") || !strings.Contains(row, "data port") {
		t.Errorf("%v\n%s", err, out)
	}
	var peers driver.Peers
	if out, err = b.command("ipfs", "peers", "--json").Output(); err != nil || json.Unmarshal(out, &peers) != nil || len(peers.Peers) != 1 || peers.Peers[0].RoundTrip == nil {
		t.Errorf("%v\n%s", err, out)
	}
	a.Kill()
	await(t, "it is away", func() bool {
		out, err = b.command("ipfs", "peers").Output()
		return err == nil && strings.Contains(string(out), "AWAY  1") && strings.Contains(line(string(out), "attic"), "ago: /ip4/127.0.0.1/tcp/")
	})
}
