// Package nat tests registries behind NATs.
package nat

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

var (
	binary = flag.String("registry", "", "the registry's binary; make test-nat sets it")
	size   = flag.Int64("size", 64, "of the layer that is moved, in MiB")
	link   = flag.Int("link", 100, "Mbit/s of the registries that relay")
)

// within bounds every wait.
const within = 5 * time.Minute

// site is a registry in a space.
type site struct {
	process.Registry
	space *lab.Space
	id    string
}

// start runs a registry that joins by others.
func start(t *testing.T, s *lab.Space, called, key string, by ...*site) *site {
	t.Helper()
	r := &site{space: s}
	r.Name, r.Binary, r.Dir = called, *binary, filepath.Join(t.TempDir(), called)
	r.Listen, r.HTTP = s.Addr()+":4619", s.Addr()+":5000"
	r.Exec, r.Client = s.Command, &http.Client{Transport: &http.Transport{DialContext: s.Dial}}
	lines := []string{"name: " + called, `protectorkey: "` + key + `"`, "replicas: 0", "dataaddrs: /ip4/0.0.0.0/tcp/4620"}
	var list []string
	for _, b := range by {
		list = append(list, fmt.Sprintf("/ip4/%s/tcp/4619", b.space.Addr()))
	}
	if len(list) > 0 {
		lines = append(lines, "bootstrappers: "+strings.Join(list, ","))
	}
	if err := r.Configure(lines...); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Kill)
	id, err := r.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.id = id.PeerID
	return r
}

// await waits until one registry says of another one what ok wants.
func (s *site) await(t *testing.T, what string, of *site, ok func(driver.Member) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	err := s.Await(ctx, what, func() bool {
		st, err := s.Status(ctx)
		if err != nil {
			return false
		}
		for _, m := range st.Members {
			if m.PeerID == of.id {
				return ok(m)
			}
		}
		return false
	})
	if err != nil {
		out, _ := s.Command(t.Context(), "ipfs", "peers", "--wide").CombinedOutput()
		t.Fatalf("%v\n%s", err, out)
	}
}

func (s *site) ref(t *testing.T, tag string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(s.HTTP+"/team/app:"+tag, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func (s *site) push(t *testing.T, tag string, mib int64) v1.Image {
	t.Helper()
	img, err := random.Image(mib<<20, 1)
	if err == nil {
		err = remote.Write(s.ref(t, tag), img, remote.WithTransport(s.Client.Transport))
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// pull reads all of an image, and gives the time that its tag took, and its layers.
func (s *site) pull(t *testing.T, tag string, want v1.Image) (resolved, read time.Duration) {
	t.Helper()
	resolved, read, err := s.read(s.ref(t, tag), want)
	if err != nil {
		t.Fatal(err)
	}
	return resolved, read
}

func (s *site) read(ref name.Reference, want v1.Image) (resolved, read time.Duration, err error) {
	began := time.Now()
	img, err := remote.Image(ref, remote.WithTransport(s.Client.Transport))
	if err != nil {
		return 0, 0, err
	}
	resolved = time.Since(began)
	is, err := img.Digest()
	wanted, err2 := want.Digest()
	if err := errors.Join(err, err2, validate.Image(img)); err != nil || is != wanted {
		return 0, 0, fmt.Errorf("%s is %s, not %s: %w", ref, is, wanted, err)
	}
	return resolved, time.Since(began) - resolved, nil
}

// sharesItsLine measures what a registry that relays has of its line for a pull of its own, from another open one, while all that
// the two behind NATs move passes over it.
func sharesItsLine(t *testing.T, relay, other, a, b *site) {
	t.Helper()
	own, passed := other.push(t, "own", *size), a.push(t, "passed", *size)
	var took [2]time.Duration
	var both sync.WaitGroup
	var errs [2]error
	owned, by := relay.ref(t, "own"), b.ref(t, "passed")
	both.Go(func() { _, took[0], errs[0] = relay.read(owned, own) })
	both.Go(func() { _, took[1], errs[1] = b.read(by, passed) })
	both.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	mbs := func(d time.Duration) float64 { return float64(*size) * 1.048576 / d.Seconds() }
	t.Logf("at the same time: %.1f MB/s to the registry that relays, %.1f MB/s passed on", mbs(took[0]), mbs(took[1]))
}

// open makes two spaces that all reach, and one behind each router.
func open(t *testing.T, routers ...lab.Router) (world, hidden []*lab.Space, key string) {
	t.Helper()
	if *binary == "" {
		t.Skip("run it with make test-nat: it needs the registry's binary, root, iproute2 and iptables")
	}
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: network namespaces need root")
	}
	l, err := lab.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if world, hidden, err = l.NAT(*link, 2, routers...); err == nil {
		key, err = process.Keygen(t.Context(), *binary)
	}
	if err != nil {
		t.Fatal(err)
	}
	return world, hidden, key
}

// TestThroughTwoRouters: two registries behind NATs that forward nothing meet by way of a third one, and soon without it.
func TestThroughTwoRouters(t *testing.T) {
	for name, routers := range map[string][]lab.Router{
		"both drop":                    {lab.Drops, lab.Drops},
		"both refuse":                  {lab.Refuses, lab.Refuses},
		"one drops, the other refuses": {lab.Drops, lab.Refuses},
	} {
		t.Run(name, func(t *testing.T) {
			world, hidden, key := open(t, routers...)
			relay := start(t, world[0], "relay", key)
			a := start(t, hidden[0], "a", key, relay)
			b := start(t, hidden[1], "b", key, relay)
			began := time.Now()
			connected := func(m driver.Member) bool { return m.Connected }
			b.await(t, "b meets a", a, connected)
			t.Logf("met %.1f s after both were started", time.Since(began).Seconds())
			straight := func(m driver.Member) bool { return m.Connected && m.Relay == "" }
			b.await(t, "b reaches a straight", a, straight)
			a.await(t, "a reaches b straight", b, straight)
			t.Logf("straight %.1f s after", time.Since(began).Seconds())

			b.pull(t, "1", a.push(t, "1", 4))
			relay.Kill()
			for _, s := range []*site{a, b} {
				s.await(t, "the relay is gone", relay, func(m driver.Member) bool { return !m.Connected })
			}
			b.await(t, "b still reaches a", a, straight)
			a.await(t, "a still reaches b", b, straight)
			img := a.push(t, "2", *size)
			resolved, read := b.pull(t, "2", img)
			mbs := float64(*size) * 1.048576 / read.Seconds()
			t.Logf("tag after %d ms, %d MiB at %.1f MB/s, the relay being gone, whose link had %d Mbit/s", resolved.Milliseconds(), *size, mbs, *link)
		})
	}
}

// TestTwoSitesThatCannotBeDialed behind routers that nothing leads through meet by way of a registry that both reach, and go on by
// way of another one when that is gone.
func TestTwoSitesThatCannotBeDialed(t *testing.T) {
	world, hidden, key := open(t, lab.Scatters, lab.Scatters)
	first := start(t, world[0], "first", key)
	second := start(t, world[1], "second", key, first)
	a := start(t, hidden[0], "a", key, first, second)
	b := start(t, hidden[1], "b", key, first, second)
	began := time.Now()
	connected := func(m driver.Member) bool { return m.Connected }
	for _, s := range []*site{a, b} {
		for _, of := range []*site{first, second} {
			s.await(t, "they reach the open ones", of, connected)
		}
	}
	b.await(t, "b meets a", a, connected)
	a.await(t, "a meets b", b, connected)
	t.Logf("met %.1f s after both were started", time.Since(began).Seconds())

	img := a.push(t, "1", *size)
	resolved, read := b.pull(t, "1", img)
	mbs := float64(*size) * 1.048576 / read.Seconds()
	t.Logf("tag after %d ms, %d MiB at %.1f MB/s: %.2f of a link of %d Mbit/s", resolved.Milliseconds(), *size, mbs, mbs*8/float64(*link), *link)

	var by string
	b.await(t, "status names who relays", a, func(m driver.Member) bool { by = m.Relay; return by != "" })
	gone, left := first, second
	if by == second.id {
		gone, left = second, first
	}
	out, err := b.Command(t.Context(), "ipfs", "status").Output()
	if err != nil || !strings.Contains(string(out), "by way of "+gone.Name) {
		t.Errorf("status does not name %s: %v\n%s", gone.Name, err, out)
	}
	sharesItsLine(t, gone, left, a, b)
	gone.Kill()
	began = time.Now()
	for s, of := range map[*site]*site{a: b, b: a} {
		s.await(t, "they meet by way of the other one", of, func(m driver.Member) bool { return m.Connected && m.Relay == left.id })
	}
	t.Logf("met again %.1f s after the one that relayed was killed", time.Since(began).Seconds())
	b.pull(t, "2", a.push(t, "2", 4))
	a.pull(t, "3", b.push(t, "3", 4))
}
