package driver_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// mostImages is how many images a client pushes at most: all are pulled from all in the end.
const mostImages = 40

// rolling is a swarm of which one registry after the other is restarted, while clients push and pull at the
// others, as behind a load balancer.
type rolling struct {
	all   []*drivertest.Member
	using []sync.RWMutex // held for reading by a client, for writing while the registry restarts
	web   []string       // where clients reach it; guarded by using
}

// TestTheProtectorKeyIsChanged on five registries, in two rounds, while clients push and pull: nothing fails, nothing is
// lost, and afterwards the old key opens nothing.
func TestTheProtectorKeyIsChanged(t *testing.T) {
	if testing.Short() {
		t.Skip("restarts five registries twice")
	}
	r := &rolling{all: drivertest.Cluster(t, 5), using: make([]sync.RWMutex, 5)}
	for _, m := range r.all {
		r.web = append(r.web, served(t, m))
	}
	older, next := r.all[0].Params.ProtectorKey, drivertest.Key(t)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	pushed := make([][]string, 2)
	for n := range pushed {
		clients.Go(func() { pushed[n] = r.pushAndPull(t, n, stop) })
	}
	r.round(t, func(p *driver.Parameters) { p.ProtectorKeyNext = next })
	drivertest.Await(t, "each has heard that all have both keys", func() bool {
		return !slices.ContainsFunc(r.all, func(m *drivertest.Member) bool {
			change, err := driver.NewClient(m.Params).KeyChange(t.Context())
			return err != nil || len(change.Registries) != len(r.all) || change.Stage != "second round" || slices.ContainsFunc(change.Registries, func(h driver.KeyHolder) bool { return h.Keys != "both" })
		})
	})
	r.round(t, func(p *driver.Parameters) { p.ProtectorKey, p.ProtectorKeyNext = next, "" })
	close(stop)
	clients.Wait()

	images := slices.Concat(pushed...)
	if len(images) < len(r.all) {
		t.Errorf("only %d pushes", len(images))
	}
	for _, name := range images {
		for i := range r.all {
			requirePull(t, r.web[i]+name)
		}
	}
	requireShutOut(t, older, r.all[0])
}

// round restarts one registry after the other with other parameters.
func (r *rolling) round(t *testing.T, change func(*driver.Parameters)) {
	t.Helper()
	for i, m := range r.all {
		r.using[i].Lock()
		m.Stop()
		change(&m.Params)
		m.Params.Bootstrappers = r.all[(i+1)%len(r.all)].Addresses() // ports are new ones each time
		m.Restart()
		drivertest.AwaitMesh(t, r.all...)
		r.web[i] = served(t, m)
		r.using[i].Unlock()
	}
}

// pushAndPull pushes to one registry and pulls from another, again and again. It returns the images that were pushed.
func (r *rolling) pushAndPull(t *testing.T, client int, stop <-chan struct{}) (names []string) {
	pause := time.NewTicker(100 * time.Millisecond)
	defer pause.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return names
		case <-pause.C:
		}
		if n >= mostImages {
			continue
		}
		to := r.use(n)
		from := r.use(to + 1)
		name := fmt.Sprintf("/load:%d-%d", client, n)
		img, err := random.Image(2000, 2)
		if err == nil {
			err = crane.Push(img, r.web[to]+name, crane.Insecure)
		}
		if err != nil {
			t.Errorf("push to registry %d: %v", to, err)
		} else {
			names = append(names, name)
			requirePull(t, r.web[from]+name)
		}
		r.using[to].RUnlock()
		r.using[from].RUnlock()
	}
}

// use is the first registry from number n on that is not restarting, and keeps it from that.
func (r *rolling) use(n int) int {
	for ; !r.using[n%len(r.all)].TryRLock(); n++ {
		runtime.Gosched()
	}
	return n % len(r.all)
}

// requirePull pulls all of an image.
func requirePull(t *testing.T, name string) {
	t.Helper()
	img, err := crane.Pull(name, crane.Insecure)
	if err == nil {
		err = validate.Image(img)
	}
	if err != nil {
		t.Errorf("pull %s: %v", name, err)
	}
}

// requireShutOut starts a registry with a key that is no longer in use.
func requireShutOut(t *testing.T, key string, of *drivertest.Member) {
	t.Helper()
	p := drivertest.Parameters(t, key)
	p.Bootstrappers, p.AloneTimeout = of.Addresses(), time.Millisecond
	m := drivertest.Start(t, p)
	drivertest.Await(t, "it is told why it is alone", func() bool {
		b := m.Status(t.Context()).Bootstrappers
		return len(b) == 1 && strings.Contains(b[0].Trouble, "not with this protector key")
	})
	if members := m.Status(t.Context()).Members; len(members) != 0 {
		t.Errorf("members: %+v", members)
	}
}
