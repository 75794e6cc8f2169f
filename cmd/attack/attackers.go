package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/attacker"
)

// plan is what attackers are told.
type plan struct {
	Key     string // the protector key
	Topic   string
	Trusted []byte // private key of an identity that the registries trust
	Targets []aim
	Blob    [32]byte // sha256 sum of a blob of 1 MiB
	Scale   float64
	Only    string
}

// aim is a registry as attackers know it.
type aim struct{ Address, Data, HTTP string }

// result is what came of one attack from one position.
type result struct {
	Position, Name            string
	Tried, Did, Refused, Most int64
	Waits                     bool // until it is asked for something
}

// outcome is what came of all attacks.
type outcome struct {
	Attacks []result
	Worked  time.Duration // processor time of the attackers; 0: they were in this process
}

// attackers are all attackers, and what they have achieved.
type attackers struct {
	ctx     context.Context
	plan    plan
	targets []attacker.Target
	peers   []*attacker.Peer
	began   []*begun
}

type begun struct {
	position, name string
	tallies        []*attacker.Tally
	waits          bool
}

// attackAll begins all attacks.
func attackAll(ctx context.Context, p plan) (*attackers, error) {
	a := &attackers{ctx: ctx, plan: p}
	for _, aim := range p.Targets {
		t, err := attacker.TargetAt(aim.Address)
		if err != nil {
			return nil, err
		}
		t.Data, t.HTTP = aim.Data, aim.HTTP
		a.targets = append(a.targets, t)
	}
	for _, begin := range []func() error{a.strangers, a.keyHolders, a.otherTopic, a.untrusted, a.trusted} {
		if err := begin(); err != nil {
			a.stop()
			return nil, err
		}
	}
	return a, nil
}

// peer makes one of the attackers, at an address of loopback, 127.66.<net>.<host>.
func (a *attackers) peer(cfg attacker.Config, net, host int) (*attacker.Peer, error) {
	cfg.From = address(net, host)
	p, err := attacker.New(cfg)
	if err == nil {
		a.peers = append(a.peers, p)
	}
	return p, err
}

func address(net, host int) string { return fmt.Sprintf("127.66.%d.%d", net, host+1) }

// wanted reports whether an attack was asked for, or none in particular was.
func (a *attackers) wanted(name string) bool {
	return slices.ContainsFunc(strings.Split(a.plan.Only, ","), func(part string) bool { return strings.Contains(name, part) })
}

// start begins an attack, unless others were asked for.
func (a *attackers) start(position, name string, p *attacker.Peer, do attacker.Attack) {
	if a.wanted(name) || strings.HasPrefix(name, stays) {
		a.note(position, name, p.Start(do))
	}
}

func (a *attackers) note(position, name string, t *attacker.Tally) {
	for _, b := range a.began {
		if b.position == position && b.name == name {
			b.tallies = append(b.tallies, t)
			return
		}
	}
	a.began = append(a.began, &begun{position: position, name: name, tallies: []*attacker.Tally{t}})
}

// hold makes a peer answer for blobs, unless other attacks were asked for.
func (a *attackers) hold(position, name string, p *attacker.Peer, how attacker.Holder) error {
	if !a.wanted(name) {
		return nil
	}
	t, err := p.Holders(how)
	if err == nil {
		a.note(position, name, t)
		a.began[len(a.began)-1].waits = true
	}
	return err
}

// n is a number of the plan's scale, at least 1.
func (a *attackers) n(full int) int { return max(1, int(float64(full)*a.plan.Scale)) }

// stop ends all attacks.
func (a *attackers) stop() []result {
	for _, p := range a.peers {
		go p.Close() // all at once; the second Close waits for the first
	}
	for _, p := range a.peers {
		p.Close()
	}
	return a.results()
}

func (a *attackers) results() (all []result) {
	for _, b := range a.began {
		r := result{Position: b.position, Name: b.name, Waits: b.waits}
		for _, t := range b.tallies {
			r.Tried, r.Did, r.Refused, r.Most = r.Tried+t.Tried(), r.Did+t.Did(), r.Refused+t.Refused(), r.Most+t.Most()
		}
		all = append(all, r)
	}
	return all
}

const endTime = time.Minute // for the attackers to let go

// beginProcess begins the attacks in a process of its own, of less priority.
func beginProcess(ctx context.Context, p plan, nice int) (stop func() (outcome, error), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("attackers: %w", err)
	}
	cmd := exec.CommandContext(ctx, "nice", "-n", strconv.Itoa(nice), self, "-attackers")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("attackers: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("attackers: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("attackers: %w", err)
	}
	if err := json.NewEncoder(in).Encode(p); err != nil {
		return nil, errors.Join(fmt.Errorf("attackers: %w", err), cmd.Process.Kill(), cmd.Wait())
	}
	return func() (all outcome, err error) {
		late := time.AfterFunc(endTime, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		err = errors.Join(in.Close(), json.NewDecoder(out).Decode(&all), cmd.Wait())
		if err != nil {
			return outcome{}, fmt.Errorf("attackers: %w", err)
		}
		return all, nil
	}, nil
}

// beginHere begins the attacks in this process. They end when all of them have arrived.
func beginHere(ctx context.Context, p plan) (stop func() (outcome, error), err error) {
	a, err := attackAll(ctx, p)
	if err != nil {
		return nil, err
	}
	return func() (outcome, error) {
		for end := time.Now().Add(endTime); len(idle(a.results())) > 0 && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		return outcome{Attacks: a.stop()}, nil
	}, nil
}

// idle are the attacks that did not arrive at all. That nobody asks those who wait for it is no
// fault of theirs.
func idle(all []result) (names []string) {
	for _, r := range all {
		if r.Waits {
			continue
		}
		if r.Tried == 0 || r.Did+r.Refused+r.Most == 0 {
			names = append(names, r.Position+": "+r.Name)
		}
	}
	slices.Sort(names)
	return names
}

// manetAddr is the host:port of a target's port for members.
func manetAddr(t attacker.Target) (string, error) {
	if len(t.Peer.Addrs) == 0 {
		return "", errors.New("a target without an address")
	}
	_, at, err := manet.DialArgs(t.Peer.Addrs[0])
	return at, err
}
