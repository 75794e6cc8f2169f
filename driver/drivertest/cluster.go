// Package drivertest starts real drivers on loopback for tests that cross peers:
// each with its own datastore on disk and its own libp2p host.
//
//	c := drivertest.Cluster(t, 3)
//	err := c[0].PutContent(ctx, path, content)
//	got, err := c[1].GetContent(ctx, path)
//
// A member behind a Link can be cut off, at once or after a number of bytes, silenced, or put
// behind a slow or a long line.
//
// Limits: all members share one process and one clock. A Link carries TCP: it
// neither loses nor reorders single packets, and it cannot look into what is
// encrypted; to lose one kind of message, open the driver with an Opener that drops it.
package drivertest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// wait bounds every wait of this package: for what comes soon, even on a busy machine.
const wait = 3 * time.Minute

// Member is one registry's driver in a cluster.
type Member struct {
	*driver.Driver
	Params driver.Parameters
	t      testing.TB
	opener Opener
	open   bool
}

// Opener opens a driver, as driver.New does.
type Opener func(context.Context, driver.Parameters) (*driver.Driver, error)

// Option changes how a member is started.
type Option func(*Member)

// OpenedBy opens the driver with a function other than driver.New, now and at every Restart.
func OpenedBy(open Opener) Option { return func(m *Member) { m.opener = open } }

// Key makes a new protector key in hex.
func Key(t testing.TB) string {
	t.Helper()
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}

// Parameters are those of a private registry on loopback with a datastore of its
// own in the test's directory. It keeps no copies: what it fetches is what a test asks for. Its
// requests have the patience to hear every member out on a busy machine, which may not answer in
// the time that is the default.
func Parameters(t testing.TB, key string) driver.Parameters {
	t.Helper()
	p, err := driver.ParseParameters(map[string]any{
		"protectorkey": key, "datastorepath": t.TempDir(),
		"listenaddrs": "/ip4/127.0.0.1/tcp/0", "dataaddrs": "/ip4/127.0.0.1/tcp/0", "loglevel": "error",
		"minfree": 0, // whatever the disk of the tests is like
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Replicas, p.SyncTimeout, p.AckTimeout = 0, wait/4, wait/2
	p.Relay = false // two whose Link is cut are to be cut off, whoever else is there
	return p
}

// Start opens a driver and closes it when the test ends.
func Start(t testing.TB, p driver.Parameters, opts ...Option) *Member {
	t.Helper()
	m := &Member{Params: p, t: t, opener: driver.New}
	for _, o := range opts {
		o(m)
	}
	m.Restart()
	t.Cleanup(m.Stop)
	return m
}

// Cluster starts n registries that share one new protector key, all but the
// first bootstrapped from the first, and waits until everyone is connected to
// everyone.
func Cluster(t testing.TB, n int) []*Member {
	t.Helper()
	key := Key(t)
	var members []*Member
	for range n {
		p := Parameters(t, key)
		if len(members) > 0 {
			p.Bootstrappers = members[0].Addresses()
		}
		members = append(members, Start(t, p))
	}
	AwaitMesh(t, members...)
	return members
}

// Restart opens the driver again on the same datastore. The port is a new one.
func (m *Member) Restart() {
	m.t.Helper()
	d, err := m.opener(context.Background(), m.Params)
	if err != nil {
		m.t.Fatal(err)
	}
	m.Driver, m.open = d, true
}

// Stop closes the driver, if it is open.
func (m *Member) Stop() {
	if !m.open {
		return
	}
	m.open = false
	if err := m.Close(); err != nil {
		m.t.Error(err)
	}
}

// Addresses are what others bootstrap with.
func (m *Member) Addresses() []string { return m.Identity().Addresses }

// Await waits for a condition, and fails the test when it never comes.
func Await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(wait); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// AwaitMesh waits until each of the members is connected to all the others.
func AwaitMesh(t testing.TB, members ...*Member) {
	t.Helper()
	Await(t, "everyone is connected to everyone", func() bool {
		for _, m := range members {
			if connected(m) < len(members)-1 {
				return false
			}
		}
		return true
	})
}

func connected(m *Member) int {
	n := 0
	for _, o := range m.Status(context.Background()).Members {
		if o.Connected {
			n++
		}
	}
	return n
}

// AwaitAgreement waits until the members hold the same map.
func AwaitAgreement(t testing.TB, members ...*Member) {
	t.Helper()
	Await(t, "the maps agree", func() bool {
		first := members[0].Status(context.Background()).Map.Digest
		for _, m := range members[1:] {
			if m.Status(context.Background()).Map.Digest != first {
				return false
			}
		}
		return true
	})
}
