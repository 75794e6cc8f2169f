package peerlist

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// TestWhatIsNewCountsAtTheSecondLook, or at once when it is to; what cannot be used is an error, for
// as long as it is there.
func TestWhatIsNewCountsAtTheSecondLook(t *testing.T) {
	a, b := somebody(t), somebody(t)
	path := filepath.Join(t.TempDir(), "peers")
	f := Follow(path)
	look := func(what string, atOnce, settled bool, want ...peer.ID) error {
		t.Helper()
		l, ok, err := f.Look(atOnce)
		if ok != settled || ok && err == nil && !l.Equal(List{IDs: want}) {
			t.Errorf("%s: %+v, settled %v, %v", what, l, ok, err)
		}
		return err
	}
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := look("no file", true, true); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	write(a.String())
	look("new", false, false)
	look("still there", false, true, a)
	look("as ever", false, true, a)
	write("")
	look("half written", false, false)
	write(b.String())
	look("written", false, false)
	look("still there", false, true, b)
	write(a.String())
	look("at once", true, true, a)

	write("attic")
	look("a mistake", false, false)
	for range 2 {
		if err := look("which stays", false, true); err == nil || !strings.HasPrefix(err.Error(), "line 1: ") {
			t.Error(err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	look("gone", false, false)
	for range 2 {
		if err := look("which stays", false, true); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
	write(a.String())
	look("back", false, false)
	if err := look("still there", false, true, a); err != nil {
		t.Error(err)
	}
}

// TestASymlinkThatLeadsElsewhere is how a ConfigMap of Kubernetes changes: ..data is renamed to lead to
// another directory, and the file is a link through it.
func TestASymlinkThatLeadsElsewhere(t *testing.T) {
	a, b := somebody(t), somebody(t)
	dir := t.TempDir()
	publish := func(version string, id peer.ID) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, version, "peers"), []byte(id.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Symlink(version, filepath.Join(dir, "..tmp")), os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data"))); err != nil {
			t.Fatal(err)
		}
	}
	publish("..1", a)
	if err := os.Symlink("..data/peers", filepath.Join(dir, "peers")); err != nil {
		t.Fatal(err)
	}
	f := Follow(filepath.Join(dir, "peers"))
	if l, _, err := f.Look(true); err != nil || !l.Equal(List{IDs: []peer.ID{a}}) {
		t.Fatal(l, err)
	}
	publish("..2", b)
	_, _, _ = f.Look(false)
	if l, settled, err := f.Look(false); err != nil || !settled || !l.Equal(List{IDs: []peer.ID{b}}) {
		t.Errorf("%+v, %v, %v", l, settled, err)
	}
}
