package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
)

// registry is one registry process.
type registry struct {
	name, binary, config, log string
	http                      string
	cmd                       *exec.Cmd
	exited                    chan error
	stopped                   bool
}

const config = `version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  ipfs:
    datastorepath: %s
    protectorkey: "%s"
    listenaddrs: /ip4/127.0.0.1/tcp/%s
    dataaddrs: /ip4/127.0.0.1/tcp/0
    bootstrappers: %s
http:
  addr: %s
  draintimeout: 5s
`

// start runs a registry on free ports of loopback and waits until it answers.
func start(ctx context.Context, binary, dir, name, key, bootstrapper string) (*registry, error) {
	r := &registry{
		name: name, binary: binary, config: filepath.Join(dir, name+".yml"), log: filepath.Join(dir, name+".log"),
		exited: make(chan error, 1),
	}
	var err error
	if r.http, err = loopback.FreeAddr(); err != nil {
		return nil, err
	}
	swarm, err := loopback.FreeAddr()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(swarm)
	text := fmt.Sprintf(config, filepath.Join(dir, name), key, port, bootstrapper, r.http)
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	out, err := os.Create(r.log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	r.cmd = exec.Command(binary, "serve", r.config)
	r.cmd.Stdout, r.cmd.Stderr = out, out
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { r.exited <- r.cmd.Wait() }()
	err = r.await(ctx, "answers", func() bool {
		conn, err := net.DialTimeout("tcp", r.http, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	if err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

// await waits for a condition, for as long as the process lives.
func (r *registry) await(ctx context.Context, what string, ok func() bool) error {
	for !ok() {
		select {
		case err := <-r.exited:
			r.exited <- err
			log, _ := os.ReadFile(r.log)
			return fmt.Errorf("registry %s ended: %w\n%s", r.name, cmp.Or(err, errors.New("exit status 0")), log)
		case <-ctx.Done():
			return fmt.Errorf("registry %s never %s: %w", r.name, what, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func (r *registry) status(ctx context.Context) (s driver.Status, err error) {
	out, err := exec.CommandContext(ctx, r.binary, "ipfs", "status", "--json", r.config).Output()
	if err != nil {
		return s, fmt.Errorf("status of registry %s: %w", r.name, err)
	}
	err = json.Unmarshal(out, &s)
	return s, err
}

// address is what another registry joins by.
func (r *registry) address(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, r.binary, "ipfs", "id", r.config).Output()
	lines := strings.Fields(string(out))
	if err != nil || len(lines) < 2 {
		return "", fmt.Errorf("address of registry %s: %q %w", r.name, out, err)
	}
	return lines[1], nil
}

func (r *registry) awaitMember(ctx context.Context) error {
	return r.await(ctx, "met another one", func() bool {
		s, err := r.status(ctx)
		return err == nil && len(s.Members) > 0 && s.Members[0].Connected
	})
}

// stop ends the process politely, and by force after a while.
func (r *registry) stop() error {
	if r.stopped {
		return nil
	}
	r.stopped = true
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-r.exited:
		if err != nil {
			log, _ := os.ReadFile(r.log)
			err = fmt.Errorf("registry %s: %w\n%s", r.name, err, log)
		}
		return err
	case <-time.After(15 * time.Second):
		return errors.Join(errors.New("it did not end in 15 s"), r.cmd.Process.Kill(), <-r.exited)
	}
}
