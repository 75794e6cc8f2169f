package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	prefix         = "regbench-"
	commandTimeout = 10 * time.Second
)

// ErrUnable reports that this machine, or this user, cannot make networks.
var ErrUnable = errors.New("cannot make network namespaces")

// Lab is all networks of one process.
type Lab struct {
	mu     sync.Mutex
	serial int
	spaces []*Space
	links  []func() error // which close them
}

// Open removes what earlier labs left and starts a new one. Its error is ErrUnable without
// root, ip, tc or /dev/net/tun.
func Open() (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: needs root", ErrUnable)
	}
	for _, tool := range []string{"ip", "tc"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%w: needs the command %s (Debian package iproute2)", ErrUnable, tool)
		}
	}
	if _, err := os.Stat(tunDevice); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnable, err)
	}
	l := &Lab{}
	if err := sweep(); err != nil {
		return nil, err
	}
	// A container may be root and still not be allowed to.
	probe, err := l.space("")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnable, err)
	}
	return l, l.remove(probe)
}

// Close removes all networks. Processes that still run in them lose them.
func (l *Lab) Close() error {
	l.mu.Lock()
	links, spaces := l.links, l.spaces
	l.links, l.spaces = nil, nil
	l.mu.Unlock()
	var errs []error
	for _, end := range links {
		errs = append(errs, end())
	}
	for _, s := range spaces {
		errs = append(errs, run("ip", "netns", "del", s.name))
	}
	return errors.Join(errs...)
}

// space makes a namespace with nothing but loopback.
func (l *Lab) space(addr string) (*Space, error) {
	l.mu.Lock()
	l.serial++
	s := &Space{name: fmt.Sprintf("%s%d-%d", prefix, os.Getpid(), l.serial), addr: addr}
	l.mu.Unlock()
	if err := run("ip", "netns", "add", s.name); err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.spaces = append(l.spaces, s)
	l.mu.Unlock()
	return s, s.ip("link", "set", "lo", "up")
}

func (l *Lab) remove(s *Space) error {
	l.mu.Lock()
	for i := range l.spaces {
		if l.spaces[i] == s {
			l.spaces = append(l.spaces[:i], l.spaces[i+1:]...)
			break
		}
	}
	l.mu.Unlock()
	return run("ip", "netns", "del", s.name)
}

// sweep removes namespaces whose process is gone, with what runs in them.
func sweep() error {
	out, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		return fmt.Errorf("%w: list namespaces: %w", ErrUnable, err)
	}
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest, ours := strings.CutPrefix(name, prefix)
		pid, _, _ := strings.Cut(rest, "-")
		owner, err := strconv.Atoi(pid)
		if !ours || err != nil || syscall.Kill(owner, 0) == nil {
			continue
		}
		inside, _ := exec.Command("ip", "netns", "pids", name).Output()
		for p := range strings.FieldsSeq(string(inside)) {
			if n, err := strconv.Atoi(p); err == nil {
				_ = syscall.Kill(n, syscall.SIGKILL) // it may have ended by itself
			}
		}
		if err := run("ip", "netns", "del", name); err != nil {
			return fmt.Errorf("remove what an earlier run left: %w", err)
		}
	}
	return nil
}

func run(name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
