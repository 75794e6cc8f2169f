package driver_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestTheMembersThatOneKnows: connected, away over a restart, forgotten, named by a list and never met,
// and not trusted any more.
func TestTheMembersThatOneKnows(t *testing.T) {
	t.Parallel()
	l := lists(t, 3)
	a, b, c := l.members[0], l.members[1], l.members[2]
	img, _ := image(t)
	pushed := newPushed(t, img)
	must(t, crane.Push(img, served(t, b)+"/x:1", crane.Insecure))
	drivertest.AwaitAgreement(t, l.members...)
	send(t, 202, "DELETE", "http://"+served(t, a)+"/v2/x/manifests/"+pushed.manifest.String(), "", nil)
	known := func(id string) (m driver.KnownMember) {
		t.Helper()
		all, err := driver.NewClient(a.Params).Members(t.Context())
		must(t, err)
		i := slices.IndexFunc(all.Members, func(m driver.KnownMember) bool { return m.PeerID == id })
		if i >= 0 {
			m = all.Members[i]
		}
		return m
	}
	idB, idC := l.id(1), l.id(2)
	m := known(idB)
	if m.State != "connected" || !m.Trusted || !m.Allowed || !m.Wrote || m.FirstSeen == nil || m.LastHeard == nil || m.Away != nil || m.ForgottenIn != nil {
		t.Errorf("%+v", m)
	}
	if known(idC).Wrote || known(a.Identity().PeerID).PeerID != "" {
		t.Error("one that wrote nothing, or itself")
	}
	first := *m.FirstSeen

	b.Stop()
	drivertest.Await(t, "it is away", func() bool { return known(idB).State == "away" })
	if m := known(idB); m.Away == nil || m.ForgottenIn == nil || *m.ForgottenIn < 29*24*time.Hour || m.LastHeard == nil {
		t.Errorf("%+v", m)
	}
	grace := time.Duration(0)
	_, err := a.Collect(t.Context(), driver.CollectOptions{Grace: &grace}, func(driver.CollectProgress) {})
	must(t, err)
	if m := known(idB); !slices.Equal(m.HoldsUp, []string{"garbage"}) || m.WaitsBecause == "" {
		t.Errorf("%+v", m)
	}
	a.Stop()
	a.Restart()
	drivertest.AwaitMesh(t, a, c)
	if m := known(idB); m.State != "away" || m.FirstSeen == nil || !m.FirstSeen.Equal(first) {
		t.Errorf("after a restart: %+v, first seen %s", m, first)
	}

	_, err = a.Forget(t.Context(), idB)
	must(t, err)
	if m := known(idB); m.State != "never met" || !m.Trusted { // the lists name it
		t.Errorf("%+v", m)
	}
	l.write("trusted", l.id(0))
	l.write("allowed", l.id(0), idC+" # the list's name")
	l.read(0)
	if m := known(idB); m.PeerID != "" {
		t.Errorf("it is still known: %+v", m)
	}
	if m := known(idC); m.Trusted || !m.Allowed {
		t.Errorf("%+v", m)
	}
	l.write("allowed", l.id(0))
	l.read(0)
	drivertest.Await(t, "it is shut out", func() bool { m := known(idC); return m.State == "away" && !m.Allowed && !m.Trusted })
}
