package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Space is a network namespace with loopback and one address towards the others.
type Space struct {
	name string // none: the namespace of this process
	addr string
}

// Here is the namespace of this process, on its loopback.
func Here() *Space { return &Space{addr: "127.0.0.1"} }

// Addr is the IPv4 address at which the other spaces reach this one.
func (s *Space) Addr() string { return s.addr }

// Command makes a command that runs in the space, under the process ID it is
// started with, and that ends when this process does.
func (s *Space) Command(name string, args ...string) *exec.Cmd {
	if s.name != "" {
		name, args = "ip", append([]string{"netns", "exec", s.name, name}, args...)
	}
	cmd := exec.Command(name, args...)
	// A group of its own: an interrupt is for this process, which stops its
	// commands in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	return cmd
}

// Dial connects from within the space; addr is an IP address and a port.
func (s *Space) Dial(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	err = s.within(func() error {
		conn, err = new(net.Dialer).DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

// Listen listens within the space; addr is an IP address and a port.
func (s *Space) Listen(network, addr string) (l net.Listener, err error) {
	err = s.within(func() error {
		l, err = net.Listen(network, addr)
		return err
	})
	return l, err
}

func (s *Space) ip(args ...string) error {
	return run("ip", append([]string{"-n", s.name}, args...)...)
}

// within calls f on a thread that is in the space: what it opens stays there.
func (s *Space) within(f func() error) error {
	if s.name == "" {
		return f()
	}
	done := make(chan error, 1)
	go func() { done <- s.visit(f) }()
	return <-done
}

func (s *Space) visit(f func() error) error {
	// A thread that cannot go back stays locked, and ends with this goroutine.
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return fmt.Errorf("open own namespace: %w", err)
	}
	defer func() { _ = home.Close() }()
	there, err := os.Open(filepath.Join("/run/netns", s.name))
	if err != nil {
		return fmt.Errorf("open namespace: %w", err)
	}
	defer func() { _ = there.Close() }()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter namespace %s: %w", s.name, err)
	}
	err = f()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, fmt.Errorf("leave namespace %s: %w", s.name, back))
	}
	runtime.UnlockOSThread()
	return err
}
