package driver

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const someUploads = "/docker/registry/v2/repositories/a/b/_uploads/"

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
	p := DefaultParameters()
	p.Offline, p.DatastorePath, p.LogLevel = true, t.TempDir(), "error"
	d, err := New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	ctx := t.Context()
	for name, files := range map[string][]string{
		"leftover": {"/hashstates/sha256/0"},
		"idle":     {"/hashstates/sha256/0", "/startedat", "/data"},
		"written":  {"/startedat"},
		"young":    {"/startedat", "/data"},
	} {
		for _, f := range files {
			if err := d.PutContent(ctx, someUploads+name+f, []byte("x")); err != nil {
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
		age(t, d.localFile(someUploads+name), 25*time.Hour)
	}
	if u := d.unfinished(); u.Count != 4 || u.Bytes == 0 || time.Since(*u.Oldest) < 24*time.Hour {
		t.Errorf("%+v", u)
	}
	sweep := func() {
		t.Helper()
		if err := d.sweeper.sweep(ctx, time.Now().Add(-d.sweeper.age())); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	for name, kept := range map[string]bool{"leftover": false, "idle": false, "written": true, "young": true} {
		if _, err := os.Stat(d.localFile(someUploads + name)); (err == nil) != kept {
			t.Errorf("%s: %v, to be kept: %v", name, err, kept)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	age(t, d.localFile(someUploads), 2*time.Hour)
	sweep()
	if u := d.unfinished(); u.Count != 2 {
		t.Errorf("%d are left of 2 that idle for two hours while there is room", u.Count)
	}
	d.blobs.Room().Keep(func() (int64, error) { return -1, nil })
	sweep()
	if left, err := os.ReadDir(d.path(localDir)); err != nil || len(left) > 0 {
		t.Errorf("%v is left when there are no uploads, %v", left, err)
	}
	if u := d.unfinished(); u.Count != 0 || u.Oldest != nil {
		t.Errorf("%+v", u)
	}
}
