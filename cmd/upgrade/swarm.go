package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

const members = 3

// registry is one of the swarm, or one that joins it for a moment.
type registry struct {
	process.Registry
	addr, peer string
}

// swarm is registries of two releases.
type swarm struct {
	o    options
	key  string
	all  []*registry
	made int // newcomers
}

func openSwarm(ctx context.Context, o options) (s *swarm, err error) {
	s = &swarm{o: o}
	if s.key, err = process.Keygen(ctx, o.from); err != nil {
		return s, err
	}
	for i := range members {
		r, err := s.registry(ctx, string(rune('A'+i)), o.from)
		if err != nil {
			return s, err
		}
		s.all = append(s.all, r)
	}
	for _, r := range s.all {
		if err := r.Configure(s.lines(r)...); err != nil {
			return s, err
		}
		if err := r.Spawn(); err != nil {
			return s, errors.Join(err, s.close())
		}
	}
	return s, nil
}

// registry makes a registry with a key of its own. It does not run.
func (s *swarm) registry(ctx context.Context, name, binary string) (*registry, error) {
	r := &registry{}
	r.Name, r.Binary, r.Dir = name, binary, filepath.Join(s.o.dir, name)
	r.Client = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16, IdleConnTimeout: 5 * time.Second}}
	err := r.Configure(s.lines(r)...)
	if err == nil {
		r.addr, err = r.Address(ctx)
	}
	_, r.peer, _ = strings.Cut(r.addr, "/p2p/")
	return r, err
}

// lines are of the configuration: its bootstrappers are all others of the swarm.
func (s *swarm) lines(r *registry) []string {
	lines := []string{"name: " + r.Name, fmt.Sprintf("protectorkey: %q", s.key), "privatekeyfile: " + filepath.Join(r.Dir, "key")}
	var others []string
	for _, o := range s.all {
		if o != r {
			others = append(others, o.addr)
		}
	}
	if len(others) > 0 {
		lines = append(lines, "bootstrappers: "+strings.Join(others, ","))
	}
	return lines
}

// read is process.Registry.Get with the patience of a client.
func (r *registry) read(ctx context.Context, path string) (status int, digest string, err error) {
	ctx, cancel := context.WithTimeout(ctx, clientPatience)
	defer cancel()
	return r.Get(ctx, path)
}

// ask is a registry's status.
func (r *registry) ask(ctx context.Context) (driver.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return driver.NewClient(driver.Parameters{DatastorePath: r.Data}).Status(ctx)
}

// apart is what keeps registries from being one swarm with one map; "": nothing does.
func apart(ctx context.Context, all []*registry) string {
	var left []string
	digests := map[string]bool{}
	for _, r := range all {
		st, err := r.ask(ctx)
		if err != nil {
			left = append(left, fmt.Sprintf("%s: %v", r.Name, err))
			continue
		}
		for _, o := range all {
			if o != r && !connected(st, o) {
				left = append(left, fmt.Sprintf("%s is not connected with %s", r.Name, o.Name))
			}
		}
		left = append(left, notReady(r, st)...)
		if digests[st.Map.Digest] = true; len(digests) > 1 {
			left = append(left, fmt.Sprintf("%s has another map, of %d entries", r.Name, st.Map.Entries))
		}
	}
	return strings.Join(left, "; ")
}

func connected(st driver.Status, o *registry) bool {
	return slices.ContainsFunc(st.Members, func(m driver.Member) bool { return m.PeerID == o.peer && m.Connected && m.Greeted })
}

// notReady is what a registry itself says against its answers.
func notReady(r *registry, st driver.Status) (reasons []string) {
	for _, why := range st.NotReady {
		reasons = append(reasons, fmt.Sprintf("%s is not ready: %s", r.Name, why))
	}
	for _, m := range st.Members {
		if m.NotFollowed != nil {
			reasons = append(reasons, fmt.Sprintf("%s does not follow %s: %s", r.Name, m.Name, m.NotFollowed.Reason))
		}
	}
	return reasons
}

// await asks again and again until nothing is left to wait for, and fails with what that is when
// patience ends.
func (s *swarm) await(ctx context.Context, left func(context.Context) string) error {
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(s.o.patience); ; {
		what := left(ctx)
		if what == "" {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("still after %s: %s", s.o.patience, what)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// agree waits until these are one swarm.
func (s *swarm) agree(ctx context.Context, all []*registry) error {
	return s.await(ctx, func(ctx context.Context) string { return apart(ctx, all) })
}

func (s *swarm) close() error {
	var errs []error
	for _, r := range s.all {
		errs = append(errs, r.Stop())
	}
	return errors.Join(errs...)
}
