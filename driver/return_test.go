package driver_test

import (
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestWhatAForgottenRegistryPushedIsMended: it was cut off, and forgotten, when its client
// pushed an image on layers that a collection deleted elsewhere. It skipped them, because
// HEAD found them there.
func TestWhatAForgottenRegistryPushedIsMended(t *testing.T) {
	a := newApart(t)
	img, _ := image(t)
	first := newPushed(t, img)
	must(t, crane.Push(first.Image, a.hosts[1]+"/x:1", crane.Insecure))
	drivertest.AwaitAgreement(t, a.members[:]...)
	send(t, 202, "DELETE", "http://"+a.hosts[1]+"/v2/x/manifests/"+first.manifest.String(), "", nil)
	drivertest.AwaitAgreement(t, a.members[:]...)
	a.cut(t, true)
	for _, m := range a.members[1:] {
		_, err := a.members[0].Forget(t.Context(), m.Identity().PeerID)
		must(t, err)
	}
	grace := time.Duration(0)
	c, err := a.members[0].Collect(t.Context(), driver.CollectOptions{Grace: &grace}, func(driver.CollectProgress) {})
	must(t, err)
	if c.Deleted.Layers == 0 || len(c.WaitsFor) > 0 {
		t.Fatalf("collected: %+v", c)
	}
	second := first.other(t)
	must(t, crane.Push(second.Image, a.hosts[1]+"/x:2", crane.Insecure))
	a.cut(t, false)
	if len(a.members[1].Unheard()) != 1 { // the third has never written
		t.Errorf("records: %v", a.members[1].Unheard())
	}
	layer := "/v2/x/blobs/" + second.layer.String()
	send(t, 404, "GET", "http://"+a.hosts[1]+layer, "", nil)
	must(t, a.members[1].Return(t.Context()))
	drivertest.AwaitAgreement(t, a.members[:]...)
	for _, host := range a.hosts {
		send(t, 200, "GET", "http://"+host+layer, "", nil)
		got, err := crane.Pull(host+"/x:2", crane.Insecure)
		must(t, err)
		must(t, validate.Image(got))
	}
	if left := a.members[0].Unheard(); len(left) != 0 {
		t.Errorf("records are left: %v", left)
	}
}

// TestAWriterThatIsNeverMetExpires as a member does that is away. It is in no list of members: it did not run for
// long enough to enter it.
func TestAWriterThatIsNeverMetExpires(t *testing.T) {
	c := drivertest.Cluster(t, 2)
	img, _ := image(t)
	p := newPushed(t, img)
	must(t, crane.Push(img, served(t, c[0])+"/x:1", crane.Insecure))
	drivertest.AwaitAgreement(t, c...)
	writer := c[0].Identity().PeerID
	c[0].Stop()
	drivertest.Await(t, "it is away", func() bool { return !c[1].Status(t.Context()).Members[0].Connected })
	late := drivertest.Parameters(t, c[1].Params.ProtectorKey)
	late.Bootstrappers = c[1].Addresses()
	m := drivertest.Start(t, late)
	drivertest.AwaitAgreement(t, c[1], m)
	send(t, 202, "DELETE", "http://"+served(t, m)+"/v2/x/manifests/"+p.manifest.String(), "", nil)
	grace := time.Duration(0)
	collect := func() driver.Collection {
		t.Helper()
		got, err := m.Collect(t.Context(), driver.CollectOptions{Grace: &grace}, func(driver.CollectProgress) {})
		must(t, err)
		return got
	}
	expiry := m.Params.MemberExpiry
	for _, ran := range []time.Duration{time.Hour, time.Hour + expiry - time.Minute} {
		must(t, m.ExpireStrangers(t.Context(), ran))
		if got := collect(); len(got.WaitsFor) != 1 || got.WaitsFor[0].PeerID != writer || got.Deleted.Blobs > 0 {
			t.Errorf("after %s: %+v", ran, got)
		}
	}
	must(t, m.ExpireStrangers(t.Context(), time.Hour+expiry))
	if got := collect(); len(got.WaitsFor) != 0 || got.Deleted.Blobs == 0 {
		t.Errorf("once it has expired: %+v", got)
	}
}
