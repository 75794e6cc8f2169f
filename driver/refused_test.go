package driver_test

import (
	"encoding/binary"
	"net/http"
	"strings"
	"testing"

	ds "github.com/ipfs/go-datastore"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/datastore"
)

// TestAMemberThatIsNotFollowed wrote a version that would leave no greater one: it is
// named in the status and in the metrics, with the reason.
func TestAMemberThatIsNotFollowed(t *testing.T) {
	t.Parallel()
	c := drivertest.Cluster(t, 2)
	put(t, c[0], "/before", "1")
	drivertest.AwaitAgreement(t, c...)
	c[0].Stop()
	raiseCounter(t, c[0], 1<<50)
	c[0].Restart()
	drivertest.AwaitMesh(t, c...)
	put(t, c[0], "/far", "1")
	var m driver.Member
	drivertest.Await(t, "it is not followed", func() bool {
		m = c[1].Status(t.Context()).Members[0]
		return m.NotFollowed != nil
	})
	if m.PeerID != c[0].Identity().PeerID || m.NotFollowed.Since.IsZero() || !strings.Contains(m.NotFollowed.Reason, "/far") {
		t.Errorf("not followed: %+v", m.NotFollowed)
	}
	metrics := gather(t, c[1])
	if n := metrics["registry_ipfs_members_not_followed"]; n != 1 {
		t.Errorf("%g members are not followed, says the metric", n)
	}
	if since := c[1].Status(t.Context()).Map.BehindSince; since == nil || metrics["registry_ipfs_map_behind_seconds"] <= 0 {
		t.Errorf("it is behind since %v, and for %gs", since, metrics["registry_ipfs_map_behind_seconds"])
	}
	if _, err := c[1].GetContent(asRequest(t, http.MethodGet, "vars.reference"), "/nowhere"); !isNotFound(err) {
		t.Errorf("what is nowhere: %v", err)
	}
}

// raiseCounter has a registry that is stopped go on at a greater version.
func raiseCounter(t *testing.T, m *drivertest.Member, counter uint64) {
	t.Helper()
	withDatastore(t, m.Params, func(db *datastore.Datastore) {
		must(t, db.Put(t.Context(), ds.NewKey("/paths/counter"), binary.AppendUvarint(nil, counter)))
	})
}

// TestAPathThatOthersWouldRefuse is the client's mistake.
func TestAPathThatOthersWouldRefuse(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	ctx, refusals := driver.WithRefusals(t.Context())
	if err := m.PutContent(ctx, strings.Repeat("/p", 2100), []byte("1")); err == nil {
		t.Fatal("a path of 4,200 bytes was taken")
	}
	if r := refusals.Last(); r == nil || r.Status != http.StatusBadRequest || !strings.Contains(r.Error(), "4200 bytes") {
		t.Errorf("refused with %+v", r)
	}
}
