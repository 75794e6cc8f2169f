package driver_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// copyData copies the datastore of a registry that is stopped.
func copyData(t *testing.T, m *drivertest.Member) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS(m.Params.DatastorePath)))
	return dir
}

// TestWritesOnBothSidesOfARestore: a registry is set back to an older copy of its
// datastore, and writes the same paths again with other values, while no member is there to
// tell it. Otherwise two values would be in the maps under one version for good.
func TestWritesOnBothSidesOfARestore(t *testing.T) {
	t.Parallel()
	key := drivertest.Key(t)
	a, _ := drivertest.StartLinked(t, drivertest.Parameters(t, key))
	p := drivertest.Parameters(t, key)
	p.Bootstrappers = a.Addresses()
	c, _ := drivertest.StartLinked(t, p)
	p.DatastorePath = t.TempDir()
	b := drivertest.Start(t, p)
	put(t, b, "/x/p", "old")
	drivertest.AwaitAgreement(t, a, b, c)
	b.Stop()
	old := copyData(t, b)
	b.Restart()
	drivertest.AwaitMesh(t, a, b, c)
	put(t, b, "/x/p", "forgotten")
	put(t, b, "/x/q", "forgotten")
	drivertest.AwaitAgreement(t, a, b, c)
	for _, m := range []*drivertest.Member{b, a, c} {
		m.Stop()
	}
	b.Params.DatastorePath = old
	b.Restart()
	put(t, b, "/x/p", "new")
	put(t, b, "/x/q", "new")
	a.Restart()
	c.Restart()
	drivertest.AwaitMesh(t, a, b, c)
	drivertest.AwaitAgreement(t, a, b, c)
	for _, path := range []string{"/x/p", "/x/q"} {
		put(t, c, path, "last") // it sees all versions, or one would be left
	}
	drivertest.AwaitAgreement(t, a, b, c)
	for _, m := range []*drivertest.Member{a, b, c} {
		m.Stop()
		m.Restart() // from disk
		for _, path := range []string{"/x/p", "/x/q"} {
			if got := string(get(t, m, path)); got != "last" {
				t.Errorf("%s is %q", path, got)
			}
		}
	}
}

// TestTwoRegistriesWithOnePeerID: a copy of a datastore runs beside the original. Both say
// so, and take no pushes.
func TestTwoRegistriesWithOnePeerID(t *testing.T) {
	t.Parallel()
	key := drivertest.Key(t)
	a := drivertest.Start(t, drivertest.Parameters(t, key))
	p := drivertest.Parameters(t, key)
	p.Bootstrappers = a.Addresses()
	b := drivertest.Start(t, p)
	put(t, b, "/x/p", "old")
	drivertest.AwaitAgreement(t, a, b)
	b.Stop()
	p.DatastorePath = copyData(t, b)
	var both []*drivertest.Member
	hooks := []*logtest.Hook{{}, {}}
	for i, params := range []driver.Parameters{b.Params, p} {
		both = append(both, drivertest.Start(t, params, drivertest.OpenedBy(driver.Logged(hooks[i]))))
	}
	if both[0].Identity().PeerID != both[1].Identity().PeerID {
		t.Fatal("the copy is another registry")
	}
	for i, m := range both {
		drivertest.Await(t, "it is not ready for that reason", func() bool {
			return slices.ContainsFunc(m.Status(t.Context()).NotReady, func(s string) bool { return strings.Contains(s, "this registry's peer ID") })
		})
		if err := m.PutContent(t.Context(), "/x/new", []byte("x")); !isRefusal(err) {
			t.Errorf("a push is %v", err)
		}
		if n := timesLogged(hooks[i], "peer ID"); n == 0 {
			t.Error("nothing is in the log")
		}
	}
	put(t, a, "/x/other", "x") // the third takes pushes
	drivertest.Await(t, "all three say whose ID it is", func() bool {
		s := a.Status(t.Context())
		return len(s.Members) == 1 && s.Members[0].Twin && s.Twin == "" &&
			both[0].Status(t.Context()).Twin != "" && both[1].Status(t.Context()).Twin != ""
	})
}
