package lab

import "fmt"

// Star joins new spaces by a bridge. What each sends and what each receives is
// capped at its number of Mbit/s, frames counted whole; 0 is no cap.
func (l *Lab) Star(mbits ...int) ([]*Space, error) {
	bridge, err := l.space("")
	if err != nil {
		return nil, err
	}
	if err := bridge.ip("link", "add", "br0", "type", "bridge"); err != nil {
		return nil, err
	}
	if err := bridge.ip("link", "set", "br0", "up"); err != nil {
		return nil, err
	}
	var spaces []*Space
	for i, cap := range mbits {
		s, err := l.space(fmt.Sprintf("10.77.2.%d", i+1))
		if err != nil {
			return nil, err
		}
		if err := s.attach(bridge, fmt.Sprintf("port%d", i), cap); err != nil {
			return nil, err
		}
		spaces = append(spaces, s)
	}
	return spaces, nil
}

func (s *Space) attach(bridge *Space, port string, mbits int) error {
	for _, step := range []struct {
		in   *Space
		args []string
	}{
		{s, []string{"link", "add", Device, "type", "veth", "peer", "name", port, "netns", bridge.name}},
		{s, []string{"addr", "add", s.addr + "/24", "dev", Device}},
		{s, []string{"link", "set", Device, "up"}},
		{bridge, []string{"link", "set", port, "master", "br0", "up"}},
	} {
		if err := step.in.ip(step.args...); err != nil {
			return err
		}
	}
	if mbits == 0 {
		return nil
	}
	if err := s.cap(Device, mbits); err != nil {
		return err
	}
	return bridge.cap(port, mbits)
}

// cap shapes what leaves by the device. The queue behind it holds a tenth of a
// second, as a router's might.
func (s *Space) cap(dev string, mbits int) error {
	return run("tc", "-n", s.name, "qdisc", "add", "dev", dev, "root", "tbf",
		"rate", fmt.Sprintf("%dmbit", mbits), "burst", "128kb", "latency", "100ms")
}
