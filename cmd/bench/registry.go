package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/lab"
)

// registry is a running registry, and a client of it in its own space.
type registry struct {
	process
	name, http string
	debug      string   // port of the debug server
	dir        string   // where the ipfs driver keeps everything
	config     string   // the file
	env        []string // beside the bench's own
	client     *http.Client

	anon          *atomic.Uint64 // the most bytes of anonymous memory seen
	done, watched chan struct{}
}

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 30 * time.Second
	maxClients   = 16 // connections that a client keeps
)

// start runs a registry and waits until it answers.
func start(ctx context.Context, s *lab.Space, binary string, r *registry) (*registry, error) {
	r.client = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: maxClients,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) { return s.Dial(ctx, network, addr) }}}
	r.anon, r.done, r.watched = new(atomic.Uint64), make(chan struct{}), make(chan struct{})
	r.cmd = s.Command(binary, "serve", r.config)
	r.cmd.Stderr, r.cmd.Env = os.Stderr, append(os.Environ(), r.env...)
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go r.watch()
	err := await(ctx, startTimeout, func() bool {
		resp, err := r.client.Get("http://" + r.http + "/v2/")
		return err == nil && resp.Body.Close() == nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s does not answer: %w", r.name, err), r.stop())
	}
	return r, nil
}

// await checks a condition ten times a second until it holds.
func await(ctx context.Context, most time.Duration, so func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// stop ends the registry, by force when it takes too long.
func (r *registry) stop() error {
	close(r.done)
	<-r.watched
	r.client.CloseIdleConnections()
	err := end(r.cmd, func() error { return r.cmd.Process.Signal(syscall.SIGTERM) })
	if err != nil {
		return fmt.Errorf("stop %s: %w", r.name, err)
	}
	return nil
}

// end asks a command to end, and kills it when it does not.
func end(cmd *exec.Cmd, ask func() error) error {
	kill := time.AfterFunc(stopTimeout, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	return errors.Join(ask(), cmd.Wait())
}

// watch samples the process's anonymous memory ten times a second until it is
// stopped, and keeps the most it saw.
func (r *registry) watch() {
	defer close(r.watched)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		r.anon.Store(max(r.anon.Load(), r.anonymous()))
		select {
		case <-tick.C:
		case <-r.done:
			return
		}
	}
}

func (r *registry) peak() string { return humanize.IBytes(r.anon.Load()) }
