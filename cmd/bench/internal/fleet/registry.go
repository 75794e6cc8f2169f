package fleet

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

// Registry is a registry, and a client of it in its own space.
type Registry struct {
	process.Registry
	Space *lab.Space
	Debug string        // port of the debug server, if it has one
	Anon  atomic.Uint64 // the most bytes of anonymous memory seen

	done, watched chan struct{}
}

// StartTimeout is how long registries may take to find each other.
const StartTimeout = 30 * time.Second

const maxClients = 16 // connections that a client keeps

// Start runs the registry and waits until it answers. After an error it does not run.
func (r *Registry) Start(ctx context.Context) error {
	r.Exec = r.Space.Command
	r.Client = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: maxClients,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return r.Space.Dial(ctx, network, addr)
		}}}
	if err := r.Spawn(); err != nil {
		return err
	}
	r.Anon.Store(0)
	r.done, r.watched = make(chan struct{}), make(chan struct{})
	go r.watch()
	if err := r.AwaitAnswer(ctx); err != nil {
		return errors.Join(err, r.Stop())
	}
	return nil
}

// Await checks a condition ten times a second until it holds.
func Await(ctx context.Context, most time.Duration, so func() bool) error {
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

// Stop ends the registry if it runs, by force when it takes too long.
func (r *Registry) Stop() error {
	if !r.Running() {
		return nil
	}
	close(r.done)
	<-r.watched
	r.Client.CloseIdleConnections()
	return r.Registry.Stop()
}

// Proc is its process.
func (r *Registry) Proc() Proc { return Proc(r.PID()) }

// watch samples the process's anonymous memory ten times a second until it is
// stopped, and keeps the most it saw.
func (r *Registry) watch() {
	defer close(r.watched)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		r.Anon.Store(max(r.Anon.Load(), r.Proc().Anonymous()))
		select {
		case <-tick.C:
		case <-r.done:
			return
		}
	}
}

// Peak is the most anonymous memory seen.
func (r *Registry) Peak() string { return humanize.IBytes(r.Anon.Load()) }
