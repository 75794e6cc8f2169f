package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
)

const (
	startWait = time.Minute
	endWait   = 30 * time.Second // after SIGTERM
)

// registry is the process that is killed.
type registry struct {
	binary, config, log, http string
	cmd                       *exec.Cmd
	exited                    chan error
}

const config = `version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  delete: {enabled: true}
  ipfs:
    datastorepath: %s
    listenaddrs: /ip4/127.0.0.1/tcp/0
    dataaddrs: /ip4/127.0.0.1/tcp/0
    protectorkeyfile: %s
http:
  addr: %s
  draintimeout: 5s
`

// newRegistry configures a registry whose data lies on a disk, and its log beside it.
func newRegistry(o options, dir string, d *disk) (*registry, error) {
	addr, err := loopback.FreeAddr()
	if err != nil {
		return nil, err
	}
	r := &registry{binary: o.registry, http: addr, config: filepath.Join(dir, d.kind+".yml"), log: filepath.Join(dir, d.kind+".log")}
	text := fmt.Sprintf(config, filepath.Join(d.path, "data"), filepath.Join(dir, "swarm.key"), addr)
	return r, os.WriteFile(r.config, []byte(text), 0o600)
}

func (r *registry) spawn() error {
	out, err := os.OpenFile(r.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	r.cmd = exec.Command(r.binary, "serve", r.config)
	r.cmd.Stdout, r.cmd.Stderr = out, out
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := r.cmd.Start(); err != nil {
		return err
	}
	r.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan<- error) { exited <- cmd.Wait() }(r.cmd, r.exited)
	return nil
}

// start runs the registry and waits until it answers.
func (r *registry) start(ctx context.Context) error {
	if err := r.spawn(); err != nil {
		return err
	}
	for end := time.Now().Add(startWait); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if resp, err := http.Get("http://" + r.http + "/v2/"); err == nil {
			_ = resp.Body.Close()
			return nil
		}
		select {
		case err := <-r.exited:
			r.exited <- err
			return fmt.Errorf("the registry ended at its start: %w; see %s", errors.Join(err, errEnded), r.log)
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
	}
	return fmt.Errorf("the registry does not answer; see %s", r.log)
}

var errEnded = errors.New("exit")

// kill ends the process as the kernel would for want of memory.
func (r *registry) kill() {
	if r.cmd != nil {
		_ = r.cmd.Process.Kill()
		<-r.exited
		r.cmd = nil
	}
}

// terminate asks the process to end, and returns how long that took.
func (r *registry) terminate() (time.Duration, error) {
	began := time.Now()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case err := <-r.exited:
		r.cmd = nil
		return time.Since(began), err
	case <-time.After(endWait):
		r.kill()
		return time.Since(began), fmt.Errorf("SIGTERM did not end it in %s", endWait)
	}
}

// client talks to one registry process: a connection to the one before is of no use.
func client() *http.Client {
	return &http.Client{
		Timeout:   40 * time.Second,
		Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, MaxIdleConnsPerHost: 16},
	}
}
