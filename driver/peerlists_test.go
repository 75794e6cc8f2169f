package driver_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// listed are registries whose lists of peers are files that a test writes.
type listed struct {
	t       *testing.T
	dir     string
	members []*drivertest.Member
}

// lists starts n registries that trust each other, by one file.
func lists(t *testing.T, n int) *listed {
	t.Helper()
	l := &listed{t: t, dir: t.TempDir()}
	key := drivertest.Key(t)
	var all []driver.Parameters
	var ids []string
	for range n {
		p := drivertest.Parameters(t, key)
		p.TrustedPeersFile, p.AllowedPeersFile = filepath.Join(l.dir, "trusted"), filepath.Join(l.dir, "allowed")
		id, err := driver.Identify(t.Context(), p)
		must(t, err)
		all, ids = append(all, p), append(ids, id.PeerID)
	}
	l.write("trusted", ids...)
	l.write("allowed", ids...)
	for i, p := range all {
		if i > 0 {
			p.Bootstrappers = l.members[0].Addresses()
		}
		l.members = append(l.members, drivertest.Start(t, p))
	}
	drivertest.AwaitMesh(t, l.members...)
	return l
}

func (l *listed) id(i int) string { return l.members[i].Identity().PeerID }

// write replaces a file as an editor does.
func (l *listed) write(name string, lines ...string) {
	l.t.Helper()
	must(l.t, os.WriteFile(filepath.Join(l.dir, "new"), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	must(l.t, os.Rename(filepath.Join(l.dir, "new"), filepath.Join(l.dir, name)))
}

func (l *listed) read(members ...int) {
	for _, i := range members {
		l.members[i].ReadPeerLists()
	}
}

// listOf is what a registry says of one of its lists.
func listOf(t *testing.T, m *drivertest.Member, key string) driver.PeerList {
	t.Helper()
	all := m.Status(t.Context()).PeerLists
	i := slices.IndexFunc(all, func(l driver.PeerList) bool { return l.Key == key })
	if i < 0 {
		t.Fatalf("no %s in %+v", key, all)
	}
	return all[i]
}

// TestAListThatChanges while the registries run: what one pushes that is no longer trusted comes to
// nobody, and it takes no pushes once it knows; when it is trusted again, what the others ignored
// of it comes.
func TestAListThatChanges(t *testing.T) {
	t.Parallel()
	l := lists(t, 3)
	a, b, c := l.members[0], l.members[1], l.members[2]
	put(t, c, tagLink("a", "before"), "of c")
	drivertest.AwaitAgreement(t, l.members...)

	l.write("trusted", l.id(0)+" # attic", l.id(1))
	l.read(0, 1) // c has not heard of it yet, and takes pushes
	put(t, c, tagLink("a", "ignored"), "of c")
	put(t, b, tagLink("a", "after"), "of b")
	drivertest.Await(t, "the others go on", func() bool { return !missing(a, tagLink("a", "after")) })
	for _, m := range []*drivertest.Member{a, b} {
		if !missing(m, tagLink("a", "ignored")) {
			t.Error("what it pushed came to others")
		}
		if got := listOf(t, m, "trustedpeersfile"); got.Peers != 2 || got.All || got.Trouble != "" {
			t.Errorf("%+v", got)
		}
	}
	drivertest.Await(t, "it is a member that is not trusted", func() bool {
		p := peersOf(t, a)[l.id(2)]
		return p.Connected && p.Rank == "member"
	})
	l.read(2)
	if !c.ReadOnly() {
		t.Error("it does not see that it is not in its own list")
	}
	if err := c.PutContent(t.Context(), tagLink("a", "refused"), []byte("of c")); !errors.As(err, new(storagedriver.ErrUnsupportedMethod)) {
		t.Errorf("it takes a push: %v", err)
	}

	l.write("trusted", l.id(0), l.id(1), l.id(2))
	l.read(0, 1, 2)
	drivertest.Await(t, "what it pushed meanwhile comes", func() bool { return !missing(a, tagLink("a", "ignored")) })
	put(t, c, tagLink("a", "again"), "of c")
	drivertest.AwaitAgreement(t, l.members...)
}

// TestAListThatShutsOut has a registry lose its connections to those that have read it.
func TestAListThatShutsOut(t *testing.T) {
	t.Parallel()
	l := lists(t, 3)
	a, c := l.members[0], l.members[2]
	put(t, c, tagLink("a", "1"), "of c")
	drivertest.AwaitAgreement(t, l.members...)
	l.write("trusted", l.id(0), l.id(1))
	l.write("allowed", l.id(0))
	l.read(0, 1)
	drivertest.Await(t, "it is alone", func() bool {
		return !slices.ContainsFunc(c.Status(t.Context()).Members, func(m driver.Member) bool { return m.Connected })
	})
	if p := peersOf(t, a)[l.id(2)]; p.Connected {
		t.Errorf("%+v", p)
	}
	drivertest.AwaitMesh(t, l.members[:2]...)
	grace := time.Duration(0)
	got, err := a.Collect(t.Context(), driver.CollectOptions{Grace: &grace}, func(driver.CollectProgress) {})
	must(t, err)
	if len(got.WaitsFor) > 0 {
		t.Errorf("garbage waits for %+v", got.WaitsFor)
	}
}

// TestAListThatCannotBeRead leaves the last good one in place, until there is a good one again.
func TestAListThatCannotBeRead(t *testing.T) {
	t.Parallel()
	l := lists(t, 2)
	a := l.members[0]
	for _, c := range []struct{ content, trouble string }{
		{l.id(0) + "\n\nattic", `line 3: "attic" is not a peer ID`},
		{"# " + l.id(0), "names nobody"},
	} {
		l.write("trusted", c.content)
		l.read(0)
		if got := listOf(t, a, "trustedpeersfile"); !strings.Contains(got.Trouble, c.trouble) || got.Peers != 2 {
			t.Errorf("%+v", got)
		}
	}
	must(t, os.Remove(filepath.Join(l.dir, "trusted")))
	l.read(0)
	if got := listOf(t, a, "trustedpeersfile"); !strings.Contains(got.Trouble, "no such file") || got.Peers != 2 {
		t.Errorf("%+v", got)
	}
	put(t, l.members[1], tagLink("a", "1"), "of b")
	drivertest.AwaitAgreement(t, l.members...)

	l.write("trusted", l.id(0))
	drivertest.Await(t, "the next list is taken without being asked for", func() bool {
		got := listOf(t, a, "trustedpeersfile")
		return got.Trouble == "" && got.Peers == 1
	})
}
