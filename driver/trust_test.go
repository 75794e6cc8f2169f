package driver_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// outsider is a swarm of four registries: two that trust only each other, and two that they
// do not list. These trust everybody, so that the second takes what the first announces.
type outsider struct {
	a, b, evil, naive *drivertest.Member
	ears              map[*drivertest.Member]*driver.Ear
}

func newOutsider(t *testing.T, changed ...func(*driver.Parameters)) *outsider {
	t.Helper()
	o := &outsider{ears: map[*drivertest.Member]*driver.Ear{}}
	key := drivertest.Key(t)
	params := make([]driver.Parameters, 4)
	var trusted []string
	for i := range params {
		params[i] = drivertest.Parameters(t, key)
		id, err := driver.Identify(t.Context(), params[i])
		if err != nil {
			t.Fatal(err)
		}
		if i < 2 {
			trusted = append(trusted, id.PeerID)
		}
	}
	var members []*drivertest.Member
	for i, p := range params {
		p.TrustedPeers = []string{"*"}
		if i < 2 {
			p.TrustedPeers = trusted
		}
		for _, change := range changed {
			change(&p)
		}
		if i > 0 {
			p.Bootstrappers = members[0].Addresses()
		}
		ear := &driver.Ear{}
		m := drivertest.Start(t, p, drivertest.OpenedBy(ear.Open))
		o.ears[m] = ear
		members = append(members, m)
	}
	o.a, o.b, o.evil, o.naive = members[0], members[1], members[2], members[3]
	drivertest.AwaitMesh(t, members...)
	return o
}

// untouched checks that the trusted registries hold only what they wrote, whichever member
// they ask for more, and that the outsider's announcements went out.
func (o *outsider) untouched(t *testing.T, written map[string]string, forged ...string) {
	t.Helper()
	for _, path := range forged {
		get(t, o.naive, path)
	}
	for _, m := range []*drivertest.Member{o.a, o.b} {
		for _, path := range forged {
			if _, err := m.GetContent(asRequest(t, http.MethodGet, "vars.reference"), path); err == nil {
				t.Errorf("%s of the outsider got in", path)
			}
		}
		for path, want := range written {
			if got, err := m.GetContent(asRequest(t, http.MethodGet, "vars.reference"), path); err != nil || string(got) != want {
				t.Errorf("%s is %q, %v, the trusted ones wrote %q", path, got, err, want)
			}
		}
		if s := m.Status(t.Context()).Map; s.Entries != len(written) || s.Heads > 1 {
			t.Errorf("%d entries and %d heads, the trusted ones wrote %d", s.Entries, s.Heads, len(written))
		}
		if n := o.ears[m].Heard(o.evil.Identity().PeerID); n > 0 {
			t.Errorf("pubsub let %d announcements of the outsider through", n)
		}
	}
	if o.ears[o.naive].Heard(o.evil.Identity().PeerID) == 0 {
		t.Error("the outsider announced nothing: the test tested little")
	}
}

// TestAnOutsiderGetsNothingIn: a registry that the others do not trust writes,
// merges their changes, writes on top of them, overwrites and deletes. Its
// deltas reach neither by pubsub, nor by a miss, nor as what a trusted one's
// push follows.
func TestAnOutsiderGetsNothingIn(t *testing.T) {
	t.Parallel()
	o := newOutsider(t)
	tag, own := tagLink("a", "latest"), tagLink("evil", "own")
	written := map[string]string{}
	push := func(m *drivertest.Member, path, content string) {
		put(t, m, path, content)
		written[path] = content
		drivertest.AwaitAgreement(t, o.a, o.b)
	}
	put(t, o.evil, own, "forged")
	o.untouched(t, written, own)

	for i := range 3 {
		push(o.a, tag, fmt.Sprintf("of a, %d", i))
		next := tagLink("a", fmt.Sprint(i))
		push(o.b, next, "of b")
		// Merged: what the outsider writes now follows what the trusted wrote.
		drivertest.Await(t, "the outsider follows", func() bool { return !missing(o.evil, next) })
		top := tagLink("evil", fmt.Sprint(i))
		put(t, o.evil, top, "forged")
		put(t, o.evil, tag, "forged")
		if err := o.evil.Delete(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		o.untouched(t, written, own, top)
	}
	// What the trusted ones do next follows only themselves, also after they met
	// the outsider anew.
	o.b.Stop()
	o.b.Restart()
	drivertest.AwaitMesh(t, o.a, o.b, o.evil, o.naive)
	push(o.b, tag, "of b, last")
	o.untouched(t, written, own)

	for _, m := range o.a.Status(t.Context()).Members {
		outside := m.PeerID != o.b.Identity().PeerID
		if m.Trusted == outside || m.TrustDiffers != outside {
			t.Errorf("status of %s: trusted %v, differs %v", m.PeerID, m.Trusted, m.TrustDiffers)
		}
	}
}
