package engine_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	badgerds "github.com/ipfs/go-ds-badger"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/datastore"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
)

// TestFormat1StillOpens: bytes that the first release left in a datastore.
func TestFormat1StillOpens(t *testing.T) {
	content, err := os.ReadFile("../../../testdata/format-1.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]string
	if err := json.Unmarshal(content, &golden); err != nil {
		t.Fatal(err)
	}
	p := drivertest.Parameters(t, drivertest.Key(t))
	old := openBadger(t, p)
	for key, text := range golden {
		value, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := old.Put(t.Context(), ds.RawKey(key), value); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	m := drivertest.Start(t, p)
	ms := m.Status(t.Context()).Members
	if len(ms) != 1 || ms[0].Connected || ms[0].Addresses[0] != "/ip4/192.0.2.10/tcp/4619" || ms[0].Since.Format("2006-01-02") != "2026-10-01" {
		t.Errorf("members: %+v", ms)
	}
	m.Stop()
	assertRefused(t, p)
	withDatastore(t, p, func(db *datastore.Datastore) {
		if got, err := db.Get(t.Context(), ds.RawKey("/format")); err != nil || string(got) != "2" {
			t.Errorf("it is in format %q, %v", got, err)
		}
	})
}

// TestEarlierReleasesRefuseANewDatastore, which would otherwise begin another registry beside its blobs.
func TestEarlierReleasesRefuseANewDatastore(t *testing.T) {
	p := drivertest.Parameters(t, drivertest.Key(t))
	drivertest.Start(t, p).Stop()
	assertRefused(t, p)
}

// assertRefused looks at a datastorepath as a release does that knows format 1 alone.
func assertRefused(t *testing.T, p driver.Parameters) {
	t.Helper()
	old := openBadger(t, p)
	_, err := engine.StoredFormat(t.Context(), old, 1)
	want := `written in format "2" by a later release (` + driver.Version() + `), this one reads up to 1: use that release, or a later one`
	if err == nil || err.Error() != want {
		t.Errorf("an earlier release says %v", err)
	}
	if err := old.Close(); err != nil {
		t.Error(err)
	}
}

// openBadger as earlier releases did.
func openBadger(t *testing.T, p driver.Parameters) *badgerds.Datastore {
	t.Helper()
	dir := filepath.Join(p.DatastorePath, "badger")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := badgerds.NewDatastore(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// TestEarlierReleasesRefuseADroppedHistory, of which they know nothing; this one opens it again.
func TestEarlierReleasesRefuseADroppedHistory(t *testing.T) {
	p := drivertest.Parameters(t, drivertest.Key(t))
	drivertest.Start(t, p).Stop()
	format := func(latest int) (is int, err error) {
		withDatastore(t, p, func(db *datastore.Datastore) { is, err = engine.StoredFormat(t.Context(), db, latest) })
		return is, err
	}
	if is, err := format(2); err != nil || is != 2 {
		t.Errorf("before: format %d, %v", is, err)
	}
	open := func() *engine.Engine {
		e, err := engine.OpenStopped(t.Context(), engine.Config{Path: p.DatastorePath, ProtectorKey: p.ProtectorKey, FetchTimeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	shut := func(e *engine.Engine) {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	e := open()
	if held := e.WhyNotCompacted(); held != "" {
		t.Errorf("nothing may be dropped: %s", held)
	}
	shut(e)
	if is, err := format(2); err != nil || is != 2 {
		t.Errorf("before anything is dropped: format %d, %v", is, err)
	}
	cut := ds.NewKey("/paths/cut") // of a state that was taken, whose names are to move
	withDatastore(t, p, func(db *datastore.Datastore) {
		if err := db.Put(t.Context(), cut, []byte("0123456789abcdef")); err != nil {
			t.Fatal(err)
		}
	})
	e = open()
	drivertest.Await(t, "the names of the state have moved", func() bool {
		is, err := e.Store.Has(t.Context(), cut)
		return err == nil && !is
	})
	shut(e)
	drivertest.Start(t, p).Stop()
	if is, err := format(2); err == nil {
		t.Errorf("an earlier release opens it in format %d", is)
	}
	if is, err := format(3); err != nil || is != 3 {
		t.Errorf("after: format %d, %v", is, err)
	}
}

// TestAMigrationGoesOnWhereItWasCut: three made-up formats, the first of which moves keys
// and is cut after one of them.
func TestAMigrationGoesOnWhereItWasCut(t *testing.T) {
	p := drivertest.Parameters(t, drivertest.Key(t))
	cut, later := errors.New("cut"), 0
	all := []engine.Migration{
		func(ctx context.Context, db ds.Batching, _ string) error {
			res, err := db.Query(ctx, query.Query{Prefix: "/old"})
			if err != nil {
				return err
			}
			entries, err := res.Rest()
			for _, e := range entries {
				to := ds.RawKey(strings.Replace(e.Key, "/old", "/new", 1))
				if err := errors.Join(db.Put(ctx, to, e.Value), db.Delete(ctx, ds.RawKey(e.Key))); err != nil {
					return err
				}
				if cut != nil {
					return cut
				}
			}
			return err
		},
		func(context.Context, ds.Batching, string) error { later++; return nil },
		func(context.Context, ds.Batching, string) error { return nil }, // to one that this release cannot read
	}
	withDatastore(t, p, func(db *datastore.Datastore) {
		ctx := t.Context()
		for _, key := range []string{"/format", "/old/a", "/old/b", "/old/c"} {
			if err := db.Put(ctx, ds.RawKey(key), []byte("1")); err != nil {
				t.Fatal(err)
			}
		}
		if err := engine.Migrate(ctx, db, p.DatastorePath, 1, all); !errors.Is(err, cut) || later != 0 {
			t.Errorf("cut: %v, and the next step ran %d times", err, later)
		}
	})
	cut = nil
	withDatastore(t, p, func(db *datastore.Datastore) {
		ctx := t.Context()
		for range 2 { // the second time there is nothing to do
			format, err := engine.StoredFormat(ctx, db, len(all)+1)
			if err == nil {
				err = engine.Migrate(ctx, db, p.DatastorePath, format, all)
			}
			if err != nil || later != 1 {
				t.Errorf("from %d: %v, and the next step ran %d times", format, err, later)
			}
		}
		for _, key := range []string{"/new/a", "/new/b", "/new/c"} {
			if _, err := db.Get(ctx, ds.RawKey(key)); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
		if err := db.Put(ctx, ds.RawKey("/release"), []byte("v9.8.7")); err != nil {
			t.Fatal(err)
		}
	})
	for name, open := range map[string]func() error{
		"serve": func() error { _, err := driver.New(t.Context(), p); return err },
		"id":    func() error { _, err := driver.Identify(t.Context(), p); return err },
	} {
		if err := open(); err == nil || !strings.Contains(err.Error(), `format "4" by a later release (v9.8.7)`) {
			t.Errorf("%s by this release: %v", name, err)
		}
	}
}

// withDatastore opens the datastore of a registry that is stopped.
func withDatastore(t *testing.T, p driver.Parameters, f func(*datastore.Datastore)) {
	t.Helper()
	db, err := datastore.Open(filepath.Join(p.DatastorePath, "pebble"), logrus.NewEntry(logrus.StandardLogger()))
	if err != nil {
		t.Fatal(err)
	}
	f(db)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
