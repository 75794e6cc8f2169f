package lab

import (
	"fmt"
	"os/exec"
	"slices"
)

// worldNet is of addresses that stand for public ones (RFC 2544).
const worldNet = "198.18.77."

// Router is what the router of a site does besides: it gives what leaves its own address, and lets nothing in that
// does not answer it.
type Router int

// The kinds of routers.
const (
	Drops    Router = iota // what is not expected, in silence
	Refuses                // it, with a reset
	Scatters               // each connection leaves by another port; and it drops
)

// NAT joins spaces that all reach each other, and sites: spaces that reach these, each behind a router. What each
// open space sends, and what it receives, is capped at mbits; 0 is no cap. Its error is ErrUnable without iptables.
func (l *Lab) NAT(mbits, open int, sites ...Router) (world, hidden []*Space, err error) {
	if _, err := exec.LookPath("iptables"); err != nil {
		return nil, nil, fmt.Errorf("%w: needs the command iptables", ErrUnable)
	}
	bridge, err := l.space("")
	if err != nil {
		return nil, nil, err
	}
	for _, args := range [][]string{{"link", "add", "br0", "type", "bridge"}, {"link", "set", "br0", "up"}} {
		if err := bridge.ip(args...); err != nil {
			return nil, nil, err
		}
	}
	for i := range open {
		s, err := l.space(fmt.Sprintf("%s%d", worldNet, i+1))
		if err != nil {
			return nil, nil, err
		}
		if err := s.attach(bridge, fmt.Sprintf("open%d", i), mbits); err != nil {
			return nil, nil, err
		}
		world = append(world, s)
	}
	for i, router := range sites {
		s, err := l.site(bridge, i, router)
		if err != nil {
			return nil, nil, err
		}
		hidden = append(hidden, s)
	}
	return world, hidden, nil
}

// site is a space behind a router of its own.
func (l *Lab) site(bridge *Space, i int, kind Router) (*Space, error) {
	router, err := l.space(fmt.Sprintf("%s%d", worldNet, 100+i))
	if err != nil {
		return nil, err
	}
	if err := router.attach(bridge, fmt.Sprintf("site%d", i), 0); err != nil {
		return nil, err
	}
	lan := fmt.Sprintf("192.168.%d.", i+1)
	s, err := l.space(lan + "2")
	if err != nil {
		return nil, err
	}
	const inside = "inside"
	for _, step := range []struct {
		in   *Space
		args []string
	}{
		{s, []string{"link", "add", Device, "type", "veth", "peer", "name", inside, "netns", router.name}},
		{s, []string{"addr", "add", s.addr + "/24", "dev", Device}},
		{s, []string{"link", "set", Device, "up"}},
		{router, []string{"addr", "add", lan + "1/24", "dev", inside}},
		{router, []string{"link", "set", inside, "up"}},
		{s, []string{"route", "add", "default", "via", lan + "1"}},
	} {
		if err := step.in.ip(step.args...); err != nil {
			return nil, err
		}
	}
	return s, router.masquerade(inside, kind)
}

// masquerade has a router give what comes from inside its own address.
func (s *Space) masquerade(inside string, kind Router) error {
	address, unexpected := []string{"-j", "MASQUERADE"}, []string{"-j", "DROP"}
	switch kind {
	case Scatters:
		address = append(address, "--random-fully")
	case Refuses:
		unexpected = []string{"-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"}
	case Drops:
	}
	stranger := []string{"-i", Device, "-m", "conntrack", "--ctstate", "NEW,INVALID"}
	for _, args := range [][]string{
		{"sysctl", "-qw", "net.ipv4.ip_forward=1"},
		append([]string{"iptables", "-t", "nat", "-A", "POSTROUTING", "-o", Device}, address...),
		slices.Concat([]string{"iptables", "-A", "INPUT"}, stranger, unexpected),
		slices.Concat([]string{"iptables", "-A", "FORWARD"}, stranger, unexpected),
		{"iptables", "-A", "FORWARD", "-i", inside, "-j", "ACCEPT"},
	} {
		if err := run("ip", append([]string{"netns", "exec", s.name}, args...)...); err != nil {
			return err
		}
	}
	return nil
}
