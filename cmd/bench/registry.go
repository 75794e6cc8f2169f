package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/lab"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

// registry is a running registry, and a client of it in its own space.
type registry struct {
	process.Registry
	debug string // port of the debug server

	anon          *atomic.Uint64 // the most bytes of anonymous memory seen
	done, watched chan struct{}
}

const (
	startTimeout = 30 * time.Second
	maxClients   = 16 // connections that a client keeps
)

// start runs a registry and waits until it answers.
func start(ctx context.Context, s *lab.Space, binary string, r *registry) (*registry, error) {
	r.Binary, r.Exec = binary, s.Command
	r.Client = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: maxClients,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) { return s.Dial(ctx, network, addr) }}}
	r.anon, r.done, r.watched = new(atomic.Uint64), make(chan struct{}), make(chan struct{})
	if err := r.Spawn(); err != nil {
		return nil, err
	}
	go r.watch()
	if err := r.AwaitAnswer(ctx); err != nil {
		return nil, errors.Join(err, r.stop())
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
	r.Client.CloseIdleConnections()
	return r.Stop()
}

func (r *registry) proc() proc { return proc(r.PID()) }

// watch samples the process's anonymous memory ten times a second until it is
// stopped, and keeps the most it saw.
func (r *registry) watch() {
	defer close(r.watched)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		r.anon.Store(max(r.anon.Load(), r.proc().anonymous()))
		select {
		case <-tick.C:
		case <-r.done:
			return
		}
	}
}

func (r *registry) peak() string { return humanize.IBytes(r.anon.Load()) }
