package driver

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep"
)

const someUploads = "/docker/registry/v2/repositories/a/b/_uploads/"

// newOffline opens a registry that joins nobody.
func newOffline(t *testing.T) *Driver {
	t.Helper()
	p := DefaultParameters()
	p.Offline, p.DatastorePath, p.LogLevel = true, t.TempDir(), "error"
	d, err := New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// age has all of an upload last touched so long ago.
func age(t *testing.T, dir string, by time.Duration) {
	t.Helper()
	then := time.Now().Add(-by)
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, then, then))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestIdleUploadsAreSwept, with or without the date that they began, but none that is
// written or was touched lately, and nothing is left of them.
func TestIdleUploadsAreSwept(t *testing.T) {
	d := newOffline(t)
	ctx := t.Context()
	for name, files := range map[string][]string{
		"leftover": {"/hashstates/sha256/100000"},
		"idle":     {"/hashstates/sha256/0", "/startedat", "/data"},
		"written":  {"/startedat"},
		"young":    {"/startedat", "/data"},
	} {
		for _, f := range files {
			if err := d.store.local.(local).write(someUploads+name+f, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	w, err := d.Writer(ctx, someUploads+"written/data", true)
	if err == nil {
		_, err = w.Write([]byte("x"))
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"leftover", "idle", "written"} {
		age(t, d.store.localFile(someUploads+name), 25*time.Hour)
	}
	if u := d.store.engine.Uploads.Unfinished(); u.Count != 4 || u.Bytes == 0 || time.Since(*u.Oldest) < 24*time.Hour {
		t.Errorf("%+v", u)
	}
	s := sweep.NewUploads(d.store.engine.LocalDir(), d.store.engine.WritersDir(), d.store.blobs, d.store.log)
	sweepAfter(t, s, 0)
	if u := d.store.engine.Uploads.Unfinished(); u.Count != 4 {
		t.Errorf("%d are left of 4 whose clients may go on after the start", u.Count)
	}
	sweepAfter(t, s, sweep.Every)
	for name, kept := range map[string]bool{"leftover": false, "idle": false, "written": true, "young": true} {
		if _, err := os.Stat(d.store.localFile(someUploads + name)); (err == nil) != kept {
			t.Errorf("%s: %v, to be kept: %v", name, err, kept)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	age(t, d.store.localFile(someUploads), 2*time.Hour)
	s = sweep.NewUploads(d.store.engine.LocalDir(), d.store.engine.WritersDir(), d.store.blobs, d.store.log)
	sweepAfter(t, s, 0)
	sweepAfter(t, s, sweep.Every)
	if u := d.store.engine.Uploads.Unfinished(); u.Count != 2 {
		t.Errorf("%d are left of 2 that idle for two hours while there is room", u.Count)
	}
	d.store.blobs.Room().Keep(func() (int64, error) { return -1, nil })
	sweepAfter(t, s, sweep.Every)
	if left, err := os.ReadDir(d.store.engine.LocalDir()); err != nil || len(left) > 0 {
		t.Errorf("%v is left when there are no uploads, %v", left, err)
	}
	if u := d.store.engine.Uploads.Unfinished(); u.Count != 0 || u.Oldest != nil {
		t.Errorf("%+v", u)
	}
}

// sweepAfter sweeps as at a time after the sweeper began.
func sweepAfter(t *testing.T, s *sweep.Uploads, ran time.Duration) {
	t.Helper()
	if err := s.Sweep(t.Context(), time.Now().Add(ran), ran); err != nil {
		t.Fatal(err)
	}
}

// TestAClockThatIsSetRemovesNoUpload, in either direction: an upload goes a day after its
// last byte, by the time that the registry ran.
func TestAClockThatIsSetRemovesNoUpload(t *testing.T) {
	d := newOffline(t)
	const days = 72 * time.Hour
	data := someUploads + "u/data"
	s := sweep.NewUploads(d.store.engine.LocalDir(), d.store.engine.WritersDir(), d.store.blobs, d.store.log)
	step := func(ran, clock time.Duration, kept bool) {
		t.Helper()
		if err := s.Sweep(t.Context(), time.Now().Add(clock), ran); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(d.store.localFile(data)); (err == nil) != kept {
			t.Fatalf("after %s, with the clock set by %s: %v, to be kept: %v", ran, clock, err, kept)
		}
	}
	write := func(name, content string, clock time.Duration) {
		t.Helper()
		if err := d.PutContent(t.Context(), someUploads+"u/"+name, []byte(content)); err != nil {
			t.Fatal(err)
		}
		age(t, d.store.localFile(someUploads+"u/"+name), -clock)
	}
	step(0, 0, false) // there is none yet
	write("startedat", "x", days)
	write("data", "x", 0)
	step(1*time.Hour, days, true)
	step(2*time.Hour, 3*days, true)
	write("data", "xx", -days)
	step(20*time.Hour, -days, true)
	step(43*time.Hour, -days, true)
	step(44*time.Hour, -days, false)
}

// TestStagedBytesOfASharedPathAreSwept with what is known of them, unless a writer is open.
func TestStagedBytesOfASharedPathAreSwept(t *testing.T) {
	d := newOffline(t)
	for name, ends := range map[string]bool{"left": true, "open": false} {
		w, err := d.Writer(t.Context(), "/docker/registry/v2/"+name, false)
		if err == nil {
			_, err = w.Write([]byte("x"))
		}
		if err == nil && ends {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if u := d.store.engine.Uploads.Unfinished(); u.Count != 2 {
		t.Errorf("%d are unfinished", u.Count)
	}
	age(t, d.store.engine.WritersDir(), 25*time.Hour)
	s := sweep.NewUploads(d.store.engine.LocalDir(), d.store.engine.WritersDir(), d.store.blobs, d.store.log)
	sweepAfter(t, s, 0)
	sweepAfter(t, s, sweep.Every)
	left, err := os.ReadDir(d.store.engine.WritersDir())
	if err != nil || len(left) != 1 || left[0].Name() != stagedName("/docker/registry/v2/open") {
		t.Errorf("%v is left, %v", left, err)
	}
}
