package driver_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"testing"

	ds "github.com/ipfs/go-datastore"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/datastore"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// TestADirectoryWithAnEntryOfALaterReleaseIsNotDeleted, not by half either: neither what
// can be read of it nor its uploads go. Reading that entry is 503, not "not found".
func TestADirectoryWithAnEntryOfALaterReleaseIsNotDeleted(t *testing.T) {
	const repo = "/docker/registry/v2/repositories/a"
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	put(t, m, repo+"/_manifests/tags/1/current/link", "v")
	put(t, m, repo+"/_uploads/1/startedat", "now")
	m.Stop()
	key := ds.RawKey("/paths/crdt/s/k/f" + repo + "/_layers/x:0000000000000009-later/v")
	withDatastore(t, m.Params, func(db *datastore.Datastore) {
		if err := db.Put(t.Context(), key, []byte{2, 'n', 'e', 'w'}); err != nil {
			t.Fatal(err)
		}
	})
	m.Restart()
	for _, dir := range []string{repo, "/docker"} {
		ctx, refused := driver.WithRefusals(t.Context())
		if err := m.Delete(ctx, dir); err == nil || refused.Last() == nil || refused.Last().Status != http.StatusServiceUnavailable {
			t.Errorf("delete %s: %v", dir, err)
		}
	}
	ctx, refused := driver.WithRefusals(t.Context())
	if _, err := m.GetContent(ctx, repo+"/_layers/x"); err == nil || refused.Last() == nil || refused.Last().Status != http.StatusServiceUnavailable {
		t.Errorf("read: %v", err)
	}
	for _, path := range []string{repo + "/_manifests/tags/1/current/link", repo + "/_uploads/1/startedat"} {
		if _, err := m.GetContent(t.Context(), path); err != nil {
			t.Error(err)
		}
	}
	m.Stop()
	withDatastore(t, m.Params, func(db *datastore.Datastore) {
		if v, err := db.Get(t.Context(), key); err != nil || string(v) != "\x02new" {
			t.Errorf("it is %q, %v", v, err)
		}
	})
}

// TestAnEntryOfALaterReleaseIsNotDrained: what it names may be here alone, and nobody can be asked
// about it.
func TestAnEntryOfALaterReleaseIsNotDrained(t *testing.T) {
	t.Parallel()
	all := keepers(t, 2, 1)
	leaves := all[1]
	leaves.Stop()
	key := ds.RawKey("/paths/crdt/s/k/f/docker/registry/v2/blobs/x:0000000000000009-later/v")
	withDatastore(t, leaves.Params, func(db *datastore.Datastore) {
		if err := db.Put(t.Context(), key, []byte{2, 'n', 'e', 'w'}); err != nil {
			t.Fatal(err)
		}
	})
	leaves.Restart()
	drivertest.AwaitMesh(t, all...)
	if state, err := leaves.Drain(t.Context(), true, func(driver.DrainState) {}); !errors.Is(err, pathmap.ErrNewerEntry) {
		t.Errorf("%+v, %v", state, err)
	}
}

// withDatastore opens the datastore of a registry that is stopped.
func withDatastore(t *testing.T, p driver.Parameters, f func(*datastore.Datastore)) {
	t.Helper()
	log := logrus.New()
	log.SetLevel(logrus.ErrorLevel)
	db, err := datastore.Open(filepath.Join(p.DatastorePath, "pebble"), logrus.NewEntry(log))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	f(db)
}
