package driver_test

import (
	"strings"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestTheFirstOfASwarmOfOneConfiguration: all registries have the same bootstrappers, without peer
// IDs. The first finds only itself there, and begins the swarm: it is ready, and says so once. The
// second joins it. A survivor that remembers another one has not begun anything.
func TestTheFirstOfASwarmOfOneConfiguration(t *testing.T) {
	t.Parallel()
	p := drivertest.Parameters(t, drivertest.Key(t))
	a := drivertest.Start(t, p)
	at, _, _ := strings.Cut(a.Addresses()[0], "/p2p/")
	a.Stop()
	hook := &logtest.Hook{}
	p.ListenAddrs, p.Bootstrappers, p.AloneTimeout, p.LogLevel = []string{at}, []string{at}, 2*time.Second, "info"
	p.Hash = "blake3"
	began := time.Now()
	a = drivertest.Start(t, p, drivertest.OpenedBy(driver.Logged(hook)))
	if s := a.Status(t.Context()); s.Phase != "joining" && time.Since(began) < p.AloneTimeout {
		t.Errorf("before it has waited it is %s", s.Phase)
	}
	drivertest.Await(t, "it is ready", func() bool { return len(a.Ready()) == 0 })
	if s := a.Status(t.Context()); s.Phase != "joined" || len(s.Bootstrappers) != 0 {
		t.Errorf("the first is %s, and is to meet %+v", s.Phase, s.Bootstrappers)
	}
	drivertest.Await(t, "it says so", func() bool { return timesLogged(hook, "it begins the swarm") == 1 })
	put(t, a, tagLink("a", "one"), "sha256:0")

	q := drivertest.Parameters(t, p.ProtectorKey)
	q.Bootstrappers = p.Bootstrappers
	b := drivertest.Start(t, q)
	drivertest.AwaitAgreement(t, a, b)
	drivertest.Await(t, "both are ready", func() bool { return len(a.Ready())+len(b.Ready()) == 0 })
	if s := b.Status(t.Context()); len(s.Bootstrappers) != 1 || !s.Bootstrappers[0].Met || s.Bootstrappers[0].PeerID != "" || s.Bootstrappers[0].Called() != at {
		t.Errorf("it joined by %+v", s.Bootstrappers)
	}
	b.Stop()
	a.Stop()
	a.Restart()
	drivertest.Await(t, "it is alone", func() bool { return a.Status(t.Context()).Phase == "alone" })
	if n := timesLogged(hook, "it begins the swarm"); n != 1 {
		t.Errorf("it began the swarm %d times", n)
	}
}
