package driver_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

func TestStatusAndMetricsTellTheSameStory(t *testing.T) {
	c := drivertest.Cluster(t, 2)
	pushBlob(t, c[0], randomBytes(t, 1000))
	drivertest.AwaitAgreement(t, c...)
	var s driver.Status
	drivertest.Await(t, "the blob is counted", func() (done bool) {
		var err error
		s, err = driver.NewClient(c[1].Params).Status(t.Context())
		must(t, err)
		return s.Blobs.Missing == 1
	})
	if s.Map.Entries != 1 || s.Network != "private" || len(s.Members) != 1 || s.Members[0].LastDelta == nil {
		t.Errorf("status: %+v", s)
	}
	if id, err := driver.NewClient(c[1].Params).Identity(t.Context()); err != nil || id.PeerID != s.PeerID {
		t.Errorf("identity: %+v %v", id, err)
	}
	want := map[string]float64{"registry_ipfs_map_entries": 1, "registry_ipfs_map_heads": 1, "registry_ipfs_members": 1, "registry_ipfs_blobs": 0, "registry_ipfs_blobs_missing": 1}
	for name, value := range gather(t, c[1]) {
		if w, ok := want[name]; ok && w != value {
			t.Errorf("%s is %g, want %g", name, value, w)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("missing metrics: %v", want)
	}
}

// TestADeleteIsALastDelta: the status tells when a member's last change came, also
// when it only deleted what another registry wrote.
func TestADeleteIsALastDelta(t *testing.T) {
	c := drivertest.Cluster(t, 3)
	deleter := c[1].Identity().PeerID
	drivertest.Await(t, "a delete is noted", func() bool { // the first may come before its announcement can
		put(t, c[0], "/x", "v")
		drivertest.AwaitAgreement(t, c...)
		if err := c[1].Delete(t.Context(), "/x"); err != nil {
			t.Fatal(err)
		}
		drivertest.AwaitAgreement(t, c...)
		for _, m := range c[2].Status(t.Context()).Members {
			if m.PeerID == deleter && m.LastDelta != nil {
				return true
			}
		}
		return false
	})
}

func TestStatusTellsOfTheDataPort(t *testing.T) {
	c := drivertest.Cluster(t, 2)
	drivertest.Await(t, "the data port is known", func() bool { return c[1].Status(t.Context()).Members[0].DataPort })
	path := pushBlob(t, c[0], randomBytes(t, 3<<20))
	get(t, c[1], path)
	s := c[1].Status(t.Context())
	if s.Transfers.DataIn < 3<<20 || len(s.DataAddresses) != 1 {
		t.Errorf("status: %+v", s)
	}
}

// gather sums the metrics of each name.
func gather(t *testing.T, m *drivertest.Member) map[string]float64 {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	if err := reg.Register(m.Collector()); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]float64{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "registry_ipfs_") {
			t.Errorf("metric %s", f.GetName())
		}
		for _, metric := range f.GetMetric() {
			sums[f.GetName()] += metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
		}
	}
	return sums
}

func TestAskingARegistryThatIsNotRunning(t *testing.T) {
	p := drivertest.Parameters(t, drivertest.Key(t))
	if _, err := driver.NewClient(p).Status(t.Context()); !errors.Is(err, driver.ErrNotRunning) {
		t.Errorf("%v", err)
	}
	id, err := driver.Identify(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if again := drivertest.Start(t, p).Identity(); again.PeerID != id.PeerID {
		t.Errorf("it said %s, and is %s", id.PeerID, again.PeerID)
	}
}

func TestFiveRegistries(t *testing.T) {
	c := drivertest.Cluster(t, 5)
	content := randomBytes(t, 2<<20+1)
	path := pushBlob(t, c[3], content)
	for _, m := range c {
		if string(get(t, m, path)) != string(content) {
			t.Fatal("other bytes arrived")
		}
	}
	drivertest.AwaitAgreement(t, c...)
}
