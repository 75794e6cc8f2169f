package drivertest

import (
	"fmt"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
)

// Mesh starts n registries with the parameters p, each with a datastore of its own. Each
// pair reaches each other only through a link of its own: links[i][j] and links[j][i] are
// the same. Mesh waits until every registry is connected to every other.
func Mesh(t testing.TB, n int, p driver.Parameters) (members []*Member, links [][]*Link) {
	t.Helper()
	nowhere, err := loopback.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	links = make([][]*Link, n)
	var targets []string
	for i := range n {
		target, err := loopback.FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		links[i] = make([]*Link, n)
		p.DatastorePath, p.DataAddrs, p.Bootstrappers = t.TempDir(), nil, nil
		p.ListenAddrs, p.AnnounceAddrs = []string{tcpAddr(target)}, []string{tcpAddr(nowhere)}
		for j, m := range members { // the later one dials
			l := newLink(t, targets[j])
			links[i][j], links[j][i] = l, l
			p.Bootstrappers = append(p.Bootstrappers, fmt.Sprintf("%s/p2p/%s", tcpAddr(l.l.Addr().String()), m.Identity().PeerID))
		}
		members, targets = append(members, Start(t, p)), append(targets, target)
	}
	AwaitMesh(t, members...)
	return members, links
}
