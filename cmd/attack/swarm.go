package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

const (
	members   = 3
	newcomers = 4
	topic     = "ipfs-registry"
)

// registry is one of those that are attacked, or a newcomer.
type registry struct {
	process.Registry
	addr string // for members
	peer string
}

// swarm is the registries, and an identity that they trust without its being one.
type swarm struct {
	o       options
	key     string
	trusted crypto.PrivKey
	all     []*registry // the first are members, the others newcomers
}

func openSwarm(ctx context.Context, o options) (s *swarm, err error) {
	s = &swarm{o: o}
	if o.registry, err = filepath.Abs(o.registry); err != nil {
		return s, err
	}
	if s.key, err = process.Keygen(ctx, o.registry); err != nil {
		return s, err
	}
	if s.trusted, _, err = crypto.GenerateEd25519Key(rand.Reader); err != nil {
		return s, err
	}
	for i := range members + newcomers {
		r := &registry{}
		r.Name, r.Binary, r.Dir = string(rune('A'+i)), o.registry, filepath.Join(o.dir, string(rune('A'+i)))
		r.Client = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16, IdleConnTimeout: 5 * time.Second}}
		r.Exec = func(name string, args ...string) *exec.Cmd {
			return exec.Command("prlimit", append([]string{fmt.Sprintf("--nofile=%d", o.files), name}, args...)...)
		}
		s.all = append(s.all, r)
	}
	if o.debug != "" {
		s.all[0].Env = append(s.all[0].Env, "REGISTRY_HTTP_DEBUG_ADDR="+o.debug)
	}
	if err := s.configure(ctx); err != nil {
		return s, err
	}
	for _, r := range s.members() {
		if err := r.Spawn(); err != nil {
			return s, errors.Join(err, s.close())
		}
	}
	for _, r := range s.members() {
		if _, err := s.joined(ctx, r, time.Minute); err != nil {
			return s, errors.Join(err, s.close())
		}
	}
	return s, nil
}

func (s *swarm) members() []*registry { return s.all[:members] }

// configure writes all configurations: everybody trusts the same peers, and the first are
// bootstrappers.
func (s *swarm) configure(ctx context.Context) error {
	id, err := peer.IDFromPrivateKey(s.trusted)
	if err != nil {
		return err
	}
	trusted := []string{id.String()}
	var bootstrappers []string
	for i, r := range s.all {
		if err := r.Configure(s.lines(r)...); err != nil {
			return err
		}
		if r.addr, err = r.Address(ctx); err != nil {
			return err
		}
		_, r.peer, _ = strings.Cut(r.addr, "/p2p/")
		trusted = append(trusted, r.peer)
		if i < members {
			bootstrappers = append(bootstrappers, r.addr)
		}
	}
	for _, r := range s.all {
		err := r.Configure(append(s.lines(r), "trustedpeers: "+strings.Join(trusted, ","), "bootstrappers: "+strings.Join(bootstrappers, ","))...)
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *swarm) lines(r *registry) []string {
	return []string{"name: " + r.Name, fmt.Sprintf("protectorkey: %q", s.key), "privatekeyfile: " + filepath.Join(r.Dir, "key")}
}

// ask is a registry's status.
func (r *registry) ask(ctx context.Context) (driver.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return driver.NewClient(driver.Parameters{DatastorePath: r.Data}).Status(ctx)
}

// joining is how long a registry took from its start on, until it was connected with all members,
// and until it had read all that they have: then it is ready.
type joining struct {
	connected, ready time.Duration
	pushes           int // that it had to read of, when it came
}

func (j joining) String() string { return fmt.Sprintf("%s (%d pushes)", seconds(j.ready), j.pushes) }

// joined waits until a registry that was started now is connected with all members, and ready.
func (s *swarm) joined(ctx context.Context, r *registry, patience time.Duration) (took joining, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began, last := time.Now(), time.Time{}
	err = r.Await(ctx, "has met the others", func() bool {
		if time.Since(last) < askEvery {
			return false // to be asked all the time would keep it from joining
		}
		last = time.Now()
		st, err := r.ask(ctx)
		met := 0
		for _, m := range st.Members {
			for _, o := range s.members() {
				if m.Connected && m.PeerID == o.peer && o != r {
					met++
				}
			}
		}
		if r.among(s.members()) {
			met++
		}
		if err != nil || met < members {
			return false
		}
		if took.connected == 0 {
			took.connected = time.Since(began)
		}
		return len(st.NotReady) == 0
	})
	took.ready = time.Since(began)
	return took, err
}

func (r *registry) among(all []*registry) bool {
	for _, o := range all {
		if o == r {
			return true
		}
	}
	return false
}

// newcomer starts a registry that is new, waits until it has joined, and stops it.
func (s *swarm) newcomer(ctx context.Context, i int) (joining, error) {
	r := s.all[members+i]
	if err := r.Spawn(); err != nil {
		return joining{}, err
	}
	took, err := s.joined(ctx, r, joinPatience)
	return took, errors.Join(err, r.Stop())
}

const (
	joinPatience = time.Minute
	askEvery     = 200 * time.Millisecond
)

// plan is what attackers need to know.
func (s *swarm) plan(ctx context.Context, blob [32]byte) (p plan, err error) {
	p = plan{Key: s.key, Topic: topic, Blob: blob, Scale: s.o.scale, Only: s.o.only}
	if p.Trusted, err = crypto.MarshalPrivateKey(s.trusted); err != nil {
		return p, err
	}
	for _, r := range s.members() {
		st, err := r.ask(ctx)
		if err != nil {
			return p, err
		}
		if len(st.DataAddresses) == 0 {
			return p, fmt.Errorf("%s has no data port", r.Name)
		}
		data, err := multiaddr.NewMultiaddr(st.DataAddresses[0])
		if err != nil {
			return p, err
		}
		_, at, err := manet.DialArgs(data)
		if err != nil {
			return p, err
		}
		p.Targets = append(p.Targets, aim{Address: r.addr, Data: at, HTTP: r.HTTP})
	}
	return p, nil
}

func (s *swarm) close() error {
	var errs []error
	for _, r := range s.all {
		errs = append(errs, r.Stop())
	}
	return errors.Join(errs...)
}

// died are the registries whose processes have ended.
func (s *swarm) died() (names []string) {
	for _, r := range s.members() {
		select {
		case <-r.Ended():
			names = append(names, r.Name)
		default:
		}
	}
	return names
}
