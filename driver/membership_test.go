package driver_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// knownAt is what a registry knows of another one; the zero value: nothing.
func knownAt(t *testing.T, m *drivertest.Member, id string) (of driver.KnownMember) {
	t.Helper()
	all, err := m.Members(t.Context())
	must(t, err)
	i := slices.IndexFunc(all.Members, func(m driver.KnownMember) bool { return m.PeerID == id })
	if i >= 0 {
		of = all.Members[i]
	}
	return of
}

// enrolled starts n registries that enter the list of members as soon as they have met, and waits until all
// have all of them in it.
func enrolled(t *testing.T, n int) (members []*drivertest.Member, key string) {
	t.Helper()
	key = drivertest.Key(t)
	for range n {
		p := drivertest.Parameters(t, key)
		if len(members) > 0 {
			p.Bootstrappers = members[0].Addresses()
		}
		members = append(members, drivertest.Start(t, p, drivertest.OpenedBy(driver.Enrolling(time.Millisecond))))
	}
	awaitListed(t, members...)
	return members, key
}

func awaitListed(t *testing.T, members ...*drivertest.Member) {
	t.Helper()
	drivertest.Await(t, "all are in the list, and know it", func() bool {
		for _, m := range members {
			all, err := m.Members(t.Context())
			must(t, err)
			if all.Listed == nil {
				return false
			}
			for _, o := range members {
				if o != m && knownAt(t, m, o.Identity().PeerID).Listed == nil {
					return false
				}
			}
		}
		return true
	})
}

// TestTheListOfMembers: who is in it is known to a registry that never met it; who is forgotten at one is
// forgotten by all, once, and is in again when it comes back.
func TestTheListOfMembers(t *testing.T) {
	t.Parallel()
	members, key := enrolled(t, 3)
	a, b, c := members[0], members[1], members[2]
	idC := c.Identity().PeerID
	img, _ := image(t)
	must(t, crane.Push(img, served(t, a)+"/x:1", crane.Insecure))
	send(t, 202, "DELETE", "http://"+served(t, a)+"/v2/x/manifests/"+newPushed(t, img).manifest.String(), "", nil)
	drivertest.AwaitAgreement(t, members...)
	c.Stop()
	drivertest.Await(t, "it is away", func() bool { return knownAt(t, a, idC).State == "away" && knownAt(t, b, idC).State == "away" })

	p := drivertest.Parameters(t, key)
	p.Bootstrappers = a.Addresses()
	d := drivertest.Start(t, p, drivertest.OpenedBy(driver.Enrolling(time.Millisecond)))
	awaitListed(t, a, b, d)
	drivertest.Await(t, "who was never met is known", func() bool { return knownAt(t, d, idC).State == "away" })
	if m := knownAt(t, d, idC); m.Name == "" || m.Listed == nil || m.LastHeard == nil || m.FirstSeen == nil || len(m.Capabilities) == 0 || m.ForgottenIn == nil {
		t.Errorf("%+v", m)
	}
	grace := time.Duration(0)
	_, err := d.Collect(t.Context(), driver.CollectOptions{Grace: &grace}, func(driver.CollectProgress) {})
	must(t, err)
	if m := knownAt(t, d, idC); !slices.Contains(m.HoldsUp, "garbage") {
		t.Errorf("garbage does not wait for it: %+v", m)
	}
	d.Stop()
	d.Restart()
	awaitListed(t, a, b, d)
	if m := knownAt(t, d, idC); m.State != "away" {
		t.Errorf("after a restart: %+v", m)
	}

	drivertest.Await(t, "it has caught up, and forgets", func() bool {
		_, err := d.Forget(t.Context(), idC)
		return err == nil
	})
	forgotten := func() bool {
		for _, m := range []*drivertest.Member{a, b, d} {
			if of := knownAt(t, m, idC); of.State != "" {
				return false
			}
		}
		return true
	}
	drivertest.Await(t, "it is forgotten by all", forgotten)
	a.Stop()
	a.Restart() // at another port
	b.Params.Bootstrappers, c.Params.Bootstrappers, d.Params.Bootstrappers = a.Addresses(), a.Addresses(), a.Addresses()
	drivertest.AwaitMesh(t, a, b, d)
	if !forgotten() {
		t.Error("a restart brings it back")
	}
	c.Restart()
	awaitListed(t, a, b, c, d)
	c.Stop()
	drivertest.Await(t, "it is away again, and known", func() bool { return knownAt(t, b, idC).State == "away" && knownAt(t, b, idC).Listed != nil })
}

// TestTheListIsInABackup: a registry that is restored from one knows whom the other knew.
func TestTheListIsInABackup(t *testing.T) {
	t.Parallel()
	members, _ := enrolled(t, 2)
	a, b := members[0], members[1]
	to := driver.BackupOptions{Dir: t.TempDir() + "/backup"}
	backUpTo(t, a, to)
	p := elsewhere(t, a)
	p.Bootstrappers = nil
	restoreFrom(t, p, driver.RestoreOptions{Dir: to.Dir})
	a.Stop()
	idB := b.Identity().PeerID
	b.Stop()
	restored := drivertest.Start(t, p)
	drivertest.Await(t, "it knows the other", func() bool { m := knownAt(t, restored, idB); return m.State == "away" && m.Listed != nil })
}
