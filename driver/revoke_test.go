package driver_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// shutOut reports whether none of these has a connection with a registry that was revoked, and all say so.
func shutOut(t *testing.T, id string, members ...*drivertest.Member) bool {
	t.Helper()
	for _, m := range members {
		if of := knownAt(t, m, id); of.State != "revoked" || of.Revoked == nil {
			return false
		}
		for _, o := range m.Status(t.Context()).Members {
			if o.PeerID == id {
				return false
			}
		}
	}
	return true
}

// TestRevoked: whom one registry shuts out, all refuse, after their starts as well, and so does one that joins
// and is told by the revoked one where the others are. What it pushed stays, and nothing waits for it.
func TestRevoked(t *testing.T) {
	t.Parallel()
	members, key := enrolled(t, 3)
	a, b, c := members[0], members[1], members[2]
	idC := c.Identity().PeerID
	img, _ := image(t)
	must(t, crane.Push(img, served(t, c)+"/x:1", crane.Insecure))
	drivertest.AwaitAgreement(t, members...)
	had, err := crane.Pull(served(t, a)+"/x:1", crane.Insecure)
	must(t, err)
	must(t, validate.Image(had)) // so that it is not the only one that has it

	of, err := peer.Decode(idC)
	must(t, err)
	for _, itself := range []string{idC, idC[len(idC)-8:], peer.ToCid(of).String()} {
		if _, err := c.Revoke(t.Context(), itself); err == nil {
			t.Errorf("it revoked itself as %s", itself)
		}
	}
	if _, err := c.Forget(t.Context(), idC[len(idC)-8:]); err == nil {
		t.Error("it forgot itself")
	}
	if _, err := a.Revoke(t.Context(), "nobody"); err == nil {
		t.Error("nobody was revoked")
	}
	_, err = a.Revoke(t.Context(), idC)
	must(t, err)
	drivertest.Await(t, "all have shut it out", func() bool { return shutOut(t, idC, a, b) })
	drivertest.Await(t, "it is alone", func() bool {
		for _, m := range c.Status(t.Context()).Members {
			if m.Connected {
				return false
			}
		}
		return true
	})
	if err := crane.Push(img, served(t, c)+"/x:2", crane.Insecure); err != nil { // it has heard why the others are away
		if reason := c.Status(t.Context()).Revoked; reason == "" {
			t.Error(err)
		}
	}

	grace := time.Duration(0)
	got, err := b.Collect(t.Context(), driver.CollectOptions{Grace: &grace}, func(driver.CollectProgress) {})
	must(t, err)
	if len(got.WaitsFor) != 0 {
		t.Errorf("garbage waits for %+v", got.WaitsFor)
	}

	a.Stop()
	a.Params.Bootstrappers = slices.Concat(b.Addresses(), c.Addresses())
	a.Restart()
	b.Stop()
	b.Params.Bootstrappers = slices.Concat(c.Addresses(), a.Addresses())
	b.Restart()
	drivertest.Await(t, "it is shut out after their starts", func() bool { return shutOut(t, idC, a, b) })
	drivertest.AwaitAgreement(t, a, b)
	for _, m := range []*drivertest.Member{a, b} {
		send(t, http.StatusNotFound, "GET", "http://"+served(t, m)+"/v2/x/manifests/2", "", nil)
	}

	p := drivertest.Parameters(t, key)
	p.Bootstrappers = slices.Concat(c.Addresses(), b.Addresses())
	d := drivertest.Start(t, p)
	drivertest.Await(t, "one that joins shuts it out, too", func() bool { return shutOut(t, idC, a, b, d) })
	drivertest.AwaitAgreement(t, a, b, d)
	drivertest.Await(t, "what the revoked one replaced is back", func() bool { // it may have come by way of d
		_, err = crane.Manifest(served(t, d)+"/x:1", crane.Insecure)
		return err == nil
	})
}

// TestRevokedFromTheMoment: what is pushed to a registry after it was revoked shows nowhere in the end, not even by
// way of a newcomer that meets it first, and writes upon that; and what it replaced comes back.
func TestRevokedFromTheMoment(t *testing.T) {
	t.Parallel()
	members, key := enrolled(t, 3)
	a, b, c := members[0], members[1], members[2]
	idC := c.Identity().PeerID
	img, digest := image(t)
	must(t, crane.Push(img, served(t, c)+"/x:1", crane.Insecure))
	drivertest.AwaitAgreement(t, members...)
	had, err := crane.Pull(served(t, a)+"/x:1", crane.Insecure)
	must(t, err)
	must(t, validate.Image(had))
	c.Stop() // it is not to hear of it
	_, err = a.Revoke(t.Context(), idC)
	must(t, err)
	drivertest.Await(t, "all have shut it out", func() bool { return shutOut(t, idC, a, b) })
	c.Restart()
	late, _ := image(t)
	must(t, crane.Push(late, served(t, c)+"/x:late", crane.Insecure))
	must(t, crane.Push(late, served(t, c)+"/x:1", crane.Insecure))

	p := drivertest.Parameters(t, key)
	p.Bootstrappers = c.Addresses()
	d := drivertest.Start(t, p)
	drivertest.Await(t, "the newcomer has what is late", func() bool {
		_, err := crane.Manifest(served(t, d)+"/x:late", crane.Insecure)
		return err == nil
	})
	mine, _ := image(t)
	must(t, crane.Push(mine, served(t, d)+"/x:mine", crane.Insecure))
	d.Stop()
	d.Params.Bootstrappers = slices.Concat(c.Addresses(), b.Addresses())
	d.Restart()
	drivertest.Await(t, "the newcomer has shut it out", func() bool { return shutOut(t, idC, a, b, d) })
	for _, m := range []*drivertest.Member{a, b, d} {
		drivertest.Await(t, "what is late is nowhere, and what it replaced is back", func() bool {
			_, err := crane.Manifest(served(t, m)+"/x:late", crane.Insecure)
			got, terr := crane.Digest(served(t, m)+"/x:1", crane.Insecure)
			_, merr := crane.Manifest(served(t, m)+"/x:mine", crane.Insecure)
			return err != nil && terr == nil && got == digest && merr == nil
		})
	}
	drivertest.AwaitAgreement(t, a, b, d)
}

// revokedAt revokes a registry at one of those that stay, and waits until these have shut it out.
func revokedAt(t *testing.T, id string, by *drivertest.Member, stay ...*drivertest.Member) {
	t.Helper()
	_, err := by.Revoke(t.Context(), id)
	must(t, err)
	drivertest.Await(t, "all have shut it out", func() bool { return shutOut(t, id, stay...) })
}

// withOwnKey starts a registry whose private key outlives its datastore.
func withOwnKey(t *testing.T, key string, by ...*drivertest.Member) *drivertest.Member {
	t.Helper()
	p := drivertest.Parameters(t, key)
	p.PrivateKeyFile, p.AloneTimeout = filepath.Join(t.TempDir(), "key"), 100*time.Millisecond
	for _, m := range by {
		p.Bootstrappers = append(p.Bootstrappers, m.Addresses()...)
	}
	return drivertest.Start(t, p)
}

// TestARevokedRegistrySaysSo where its map has the revocation, and where it was shut out before it could hear of that: it
// is not ready, takes no pushes in the first case, and says why. A backup of it restored as itself is out, as a new
// registry it is in.
func TestARevokedRegistrySaysSo(t *testing.T) {
	t.Parallel()
	members, key := enrolled(t, 2)
	a, b := members[0], members[1]
	c := withOwnKey(t, key, a, b)
	drivertest.AwaitMesh(t, a, b, c)
	img, _ := image(t)
	must(t, crane.Push(img, served(t, c)+"/x:1", crane.Insecure))
	drivertest.AwaitAgreement(t, a, b, c)
	_, err := crane.Pull(served(t, a)+"/x:1", crane.Insecure)
	must(t, err)
	before := t.TempDir()
	backUpTo(t, c, driver.BackupOptions{Dir: before})
	idC := c.Identity().PeerID
	c.Stop()
	revokedAt(t, idC, a, a, b)

	itself := c.Params
	itself.DatastorePath, itself.Bootstrappers = t.TempDir(), slices.Concat(a.Addresses(), b.Addresses())
	restoreFrom(t, itself, driver.RestoreOptions{Dir: before})
	old := drivertest.Start(t, itself)
	drivertest.Await(t, "it is not ready, and says that the others hang up", func() bool {
		return slices.ContainsFunc(old.Status(t.Context()).NotReady, func(why string) bool {
			return strings.Contains(why, "2 of the registries that it dials answer and hang up")
		})
	})
	if st := old.Status(t.Context()); st.Revoked != "" || !shutOut(t, idC, a, b) {
		t.Errorf("it cannot know that: %q", st.Revoked)
	}
	old.Stop()

	after := t.TempDir()
	backUpTo(t, a, driver.BackupOptions{Dir: after})
	aware := itself
	aware.DatastorePath = t.TempDir()
	restoreFrom(t, aware, driver.RestoreOptions{Dir: after, AsNew: true})
	told := drivertest.Start(t, aware)
	drivertest.Await(t, "it says that it was revoked, and by whom", func() bool { // once the name of that one has come, or before
		st := told.Status(t.Context())
		return strings.Contains(st.Revoked, a.Identity().PeerID) && slices.Contains(st.NotReady, st.Revoked) && st.ReadOnly && told.WhyReadOnly() == "it was revoked"
	})
	if _, err := told.Revoke(t.Context(), a.Identity().PeerID); err == nil {
		t.Error("it revokes another")
	}
	told.Stop()

	anew := drivertest.Parameters(t, key)
	anew.Bootstrappers = itself.Bootstrappers
	restoreFrom(t, anew, driver.RestoreOptions{Dir: before, AsNew: true})
	d := drivertest.Start(t, anew)
	drivertest.Await(t, "as a new registry it is in", func() bool { return knownAt(t, a, d.Identity().PeerID).State == "connected" })
	drivertest.AwaitAgreement(t, a, b, d)
}

// TestRevokedWhileCutOff: who was revoked behind a partition, and had not heard of it, stays out when the partition
// ends, with what it took meanwhile.
func TestRevokedWhileCutOff(t *testing.T) {
	t.Parallel()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.AloneTimeout = 100 * time.Millisecond
	members, links := drivertest.Mesh(t, 3, p)
	a, b, c := members[0], members[1], members[2]
	img, _ := image(t)
	must(t, crane.Push(img, served(t, c)+"/x:1", crane.Insecure))
	drivertest.AwaitAgreement(t, members...)
	for _, l := range links[2][:2] {
		l.Cut(true)
	}
	revokedAt(t, c.Identity().PeerID, a, a, b)
	drivertest.Await(t, "it takes pushes alone", func() bool { return crane.Push(img, served(t, c)+"/x:2", crane.Insecure) == nil })
	for _, l := range links[2][:2] {
		l.Cut(false)
	}
	drivertest.Await(t, "it is hung up on, and not ready", func() bool {
		return slices.ContainsFunc(c.Status(t.Context()).NotReady, func(why string) bool { return strings.Contains(why, "hang up") })
	})
	must(t, crane.Push(img, served(t, a)+"/y:1", crane.Insecure))
	drivertest.AwaitAgreement(t, a, b)
	if !shutOut(t, c.Identity().PeerID, a, b) {
		t.Error("it is back")
	}
	for _, m := range []*drivertest.Member{a, b} {
		send(t, http.StatusNotFound, "GET", "http://"+served(t, m)+"/v2/x/manifests/2", "", nil)
	}
}

// TestHistoryIsDroppedWithoutTheRevoked, for whom nothing is kept, and the revocation stays.
func TestHistoryIsDroppedWithoutTheRevoked(t *testing.T) {
	t.Parallel()
	key := drivertest.Key(t)
	var members []*drivertest.Member
	for range 3 {
		p := drivertest.Parameters(t, key)
		if len(members) > 0 {
			p.Bootstrappers = members[0].Addresses()
		}
		members = append(members, drivertest.Start(t, p, drivertest.OpenedBy(driver.Compacting(10, 50*time.Millisecond))))
	}
	awaitListed(t, members...)
	a, b, c := members[0], members[1], members[2]
	idC := c.Identity().PeerID
	c.Stop()
	img, _ := image(t)
	for n := range 30 {
		must(t, crane.Push(img, fmt.Sprintf("%s/x:%d", served(t, a), n), crane.Insecure))
	}
	drivertest.Await(t, "history is kept for the one that is away", func() bool {
		return slices.ContainsFunc(a.Status(t.Context()).Map.History.WaitsFor, func(u driver.Unheard) bool { return u.PeerID == idC })
	})
	revokedAt(t, idC, a, a, b)
	drivertest.Await(t, "both drop history", func() bool {
		one, other := a.Status(t.Context()).Map.History, b.Status(t.Context()).Map.History
		return one.Compacted > 0 && other.Compacted > 0
	})
	p := drivertest.Parameters(t, key)
	p.Bootstrappers = b.Addresses()
	d := drivertest.Start(t, p)
	drivertest.Await(t, "one that joins by the state shuts it out", func() bool { return shutOut(t, idC, a, b, d) })
	c.Params.Bootstrappers = slices.Concat(a.Addresses(), b.Addresses(), d.Addresses())
	c.Restart()
	drivertest.Await(t, "it is hung up on", func() bool {
		return slices.ContainsFunc(c.Status(t.Context()).Bootstrappers, func(b driver.Bootstrapper) bool { return strings.Contains(b.Trouble, "revoked") })
	})
	if !shutOut(t, idC, a, b, d) {
		t.Error("it is back")
	}
}
