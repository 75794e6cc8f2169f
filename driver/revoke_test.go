package driver_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/validate"

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

	if _, err := c.Revoke(t.Context(), idC); err == nil {
		t.Error("it revoked itself")
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
	must(t, crane.Push(img, served(t, c)+"/x:2", crane.Insecure)) // it thinks that the others are away

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
	_, err = crane.Manifest(served(t, d)+"/x:1", crane.Insecure)
	must(t, err)
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
