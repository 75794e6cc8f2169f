package driver_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// notFollowed is why a member does not take the changes of another one; "": it does.
func notFollowed(t *testing.T, m *drivertest.Member, id string) string {
	t.Helper()
	for _, o := range m.Status(t.Context()).Members {
		if o.PeerID == id && o.NotFollowed != nil {
			return o.NotFollowed.Reason
		}
	}
	return ""
}

// refusedFor makes sure that signatures are not required for want of a registry, and of what is said about it.
func refusedFor(t *testing.T, m *drivertest.Member, id, what string) {
	t.Helper()
	refusedWith(t, m, "", id, what)
}

func refusedWith(t *testing.T, m *drivertest.Member, accept, id, what string) {
	t.Helper()
	if _, err := m.RequireSignatures(t.Context(), accept); err == nil || !strings.Contains(err.Error(), id) || !strings.Contains(err.Error(), what) {
		t.Errorf("it is not refused for %s, which %s: %v", id, what, err)
	}
}

// TestSignaturesRequired: not as long as a registry is of an earlier release or away. What is pushed to one that is
// started again as an earlier release is held up elsewhere, and comes in once it is updated; the others go on.
func TestSignaturesRequired(t *testing.T) {
	t.Parallel()
	members, key := enrolled(t, 2)
	a, b := members[0], members[1]
	var updated atomic.Bool
	p := drivertest.Parameters(t, key)
	p.Bootstrappers = a.Addresses()
	c := drivertest.Start(t, p, drivertest.OpenedBy(func(ctx context.Context, p driver.Parameters) (*driver.Driver, error) {
		if updated.Load() {
			return driver.Enrolling(time.Millisecond)(ctx, p)
		}
		return driver.Unsigned(ctx, p)
	}))
	awaitListed(t, a, b, c)
	id := c.Identity().PeerID
	img, digest := image(t)
	must(t, crane.Push(img, served(t, c)+"/x:old", crane.Insecure))
	drivertest.AwaitAgreement(t, a, b, c)
	refusedFor(t, a, id, "earlier release")
	c.Stop()
	drivertest.Await(t, "it is away", func() bool { return knownAt(t, a, id).State == "away" })
	refusedFor(t, a, id, "away")
	_, err := a.Forget(t.Context(), id)
	must(t, err)
	refusedWith(t, a, "nobody", "nobody", "neither a change nor a member")
	if a.Status(t.Context()).Map.Signatures != nil {
		t.Error("they are required by a command that was mistyped")
	}
	required, err := a.RequireSignatures(t.Context(), "")
	must(t, err)
	drivertest.AwaitAgreement(t, a, b)
	again, err := b.RequireSignatures(t.Context(), "")
	must(t, err)
	if again.Since.IsZero() || !again.Since.Equal(required.Since) || again.By != a.Identity().PeerID || b.Status(t.Context()).Map.Signatures == nil {
		t.Errorf("required by %+v, and then %+v", required, again)
	}

	c.Restart()
	held, _ := image(t)
	must(t, crane.Push(held, served(t, c)+"/x:held", crane.Insecure))
	for _, m := range []*drivertest.Member{a, b} {
		drivertest.Await(t, "it is held up", func() bool { return strings.Contains(notFollowed(t, m, id), "--accept") })
	}
	must(t, crane.Push(img, served(t, b)+"/x:goes-on", crane.Insecure))
	drivertest.AwaitAgreement(t, a, b)
	send(t, http.StatusNotFound, "GET", "http://"+served(t, a)+"/v2/x/manifests/held", "", nil)
	_, err = b.RequireSignatures(t.Context(), id)
	must(t, err)
	_, err = crane.Pull(served(t, b)+"/x:held", crane.Insecure)
	must(t, err)
	send(t, http.StatusNotFound, "GET", "http://"+served(t, a)+"/v2/x/manifests/held", "", nil)
	c.Stop()
	updated.Store(true)
	c.Restart()
	drivertest.AwaitAgreement(t, a, b, c)
	p = drivertest.Parameters(t, key)
	p.Bootstrappers = c.Addresses()
	d := drivertest.Start(t, p)
	drivertest.AwaitAgreement(t, a, b, c, d)
	for tag, want := range map[string]string{"old": digest, "goes-on": digest} {
		if got, err := crane.Digest(served(t, d)+"/x:"+tag, crane.Insecure); err != nil || got != want {
			t.Errorf("%s is %s, want %s: %v", tag, got, want, err)
		}
	}
	_, err = crane.Pull(served(t, a)+"/x:held", crane.Insecure)
	must(t, err)
}

// TestSignaturesAndAListThatNamesTheForgotten: whom an operator forgot is not missed, though trustedpeers still names it.
func TestSignaturesAndAListThatNamesTheForgotten(t *testing.T) {
	t.Parallel()
	members, _ := enrolled(t, 3)
	a, b, c := members[0], members[1], members[2]
	id := c.Identity().PeerID
	img, _ := image(t)
	must(t, crane.Push(img, served(t, c)+"/x:1", crane.Insecure))
	drivertest.AwaitAgreement(t, members...)
	c.Stop()
	a.Stop()
	a.Params.TrustedPeers = []string{a.Identity().PeerID, b.Identity().PeerID, id}
	a.Restart()
	drivertest.AwaitAgreement(t, a, b)
	drivertest.Await(t, "one is here, and one is away", func() bool {
		return knownAt(t, a, b.Identity().PeerID).State == "connected" && knownAt(t, a, id).State == "away"
	})
	refusedFor(t, a, id, "away")
	_, err := a.Forget(t.Context(), id)
	must(t, err)
	_, err = a.RequireSignatures(t.Context(), "")
	must(t, err)
}

// TestHeldUpFromTheFirst: a registry of an earlier release that brings what it was pushed alone, and leaves again, is missed:
// what it has is to come yet.
func TestHeldUpFromTheFirst(t *testing.T) {
	t.Parallel()
	members, key := enrolled(t, 2)
	a := members[0]
	_, err := a.RequireSignatures(t.Context(), "")
	must(t, err)
	c := drivertest.Start(t, drivertest.Parameters(t, key), drivertest.OpenedBy(driver.Unsigned))
	id := c.Identity().PeerID
	img, _ := image(t)
	must(t, crane.Push(img, served(t, c)+"/x:held", crane.Insecure))
	c.Stop()
	c.Params.Bootstrappers = a.Addresses()
	c.Restart()
	drivertest.Await(t, "it is held up", func() bool { return strings.Contains(notFollowed(t, a, id), "--accept") })
	c.Stop()
	drivertest.Await(t, "it is away", func() bool { return connectedOnly(a, 1) })
	if of := knownAt(t, a, id); of.State != "away" || notFollowed(t, a, id) == "" {
		t.Errorf("nobody waits for it: it is %q, and %q", of.State, notFollowed(t, a, id))
	}
}
