package pathmap_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

func settle(t *testing.T, s *seat, name, value string) {
	t.Helper()
	if err := s.m.Settle(t.Context(), name, value); err != nil {
		t.Fatal(err)
	}
}

func setting(s *seat, name string) string {
	value, ok := s.m.View().Setting(name)
	if !ok {
		return "none"
	}
	return value
}

func TestTheFirstValueOfASettingStays(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	if setting(a, "color") != "none" {
		t.Fatal("a setting that nobody wrote")
	}
	settle(t, a, "color", "red")
	settle(t, a, "color", "blue")
	agree(t, a, b)
	settle(t, b, "color", "green")
	settle(t, b, "empty", "")
	agree(t, a, b)
	for _, s := range []*seat{a, b} {
		if setting(s, "color") != "red" || setting(s, "empty") != "" || setting(s, "colo") != "none" {
			t.Errorf("%s: color is %q, empty %q", s.id, setting(s, "color"), setting(s, "empty"))
		}
	}
	a.stop()
	a.start()
	if setting(a, "color") != "red" {
		t.Error("the restart lost it")
	}
	agree(t, a, b)
	c := f.add("c")
	agree(t, a, c)
	if setting(c, "color") != "red" {
		t.Error("who joins does not learn it")
	}
}

func TestSettleRefuses(t *testing.T) {
	a := newFabric(t).add("a")
	for name, value := range map[string]string{"": "x", "a/b": "x", "a:b": "x", "Upper": "x", "long": strings.Repeat("x", 129)} {
		if err := a.m.Settle(t.Context(), name, value); err == nil {
			t.Errorf("%q = %q was taken", name, value)
		}
	}
}

// TestConcurrentSettingsConverge: two registries that cannot hear each other write a
// first value; when they can, all have the same.
func TestConcurrentSettingsConverge(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	f.isolate("b", true)
	put(t, a, "/p", "1") // so that a's version is the greater one
	settle(t, a, "color", "red")
	settle(t, b, "color", "blue")
	if setting(b, "color") != "blue" {
		t.Fatal("b does not read what it wrote")
	}
	f.isolate("b", false)
	agree(t, a, b)
	if setting(a, "color") != "red" || setting(b, "color") != "red" {
		t.Errorf("a has %q, b %q, the greater version is red", setting(a, "color"), setting(b, "color"))
	}
}

// TestSettingsAreNoPaths: nothing that reads paths finds them.
func TestSettingsAreNoPaths(t *testing.T) {
	a := newFabric(t).add("a")
	put(t, a, "/hash", "1")
	before := a.m.View().Digest()
	settle(t, a, "hash", "blake3")
	view := a.m.View()
	if view.Digest() == before {
		t.Error("the digest does not tell maps with other settings apart")
	}
	if view.Len() != 1 || !has(a, "/hash", "1", t) {
		t.Error("it counts as a path, or shadows one")
	}
	for _, path := range []string{":hash", "hash", "/:hash", "/s/hash"} {
		if _, err := view.Get(path); !errors.Is(err, pathmap.ErrNotFound) {
			t.Errorf("%s: %v", path, err)
		}
	}
	n := 0
	view.Under("/", func(string, pathmap.Entry) bool { n++; return true })
	view.Under("", func(string, pathmap.Entry) bool { n++; return true })
	view.Children("/", "", func(pathmap.Child) bool { n++; return true })
	if n != 3 || view.IsDir(":hash") {
		t.Errorf("%d paths are listed in three listings", n)
	}
	del(t, a, "/hash")
	if setting(a, "hash") != "blake3" || a.m.View().Len() != 0 {
		t.Error("deleting a path took the setting, or nothing")
	}
}

// told collects what a map says of its settings.
type told struct {
	mu  sync.Mutex
	all []string
}

func (w *told) add(name, value string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, name+"="+value)
}

func (w *told) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.all, " ")
}

func TestOnSetting(t *testing.T) {
	f := newFabric(t)
	a := f.add("a")
	w, db := &told{}, openStore(t, t.TempDir())
	t.Cleanup(func() { _ = db.Close() })
	s := &seat{f: f, id: "w"}
	open := func() {
		t.Helper()
		m, err := pathmap.Open(t.Context(), pathmap.Config{Store: db, Self: "w", Swarm: s, Log: quiet(), ExchangeInterval: f.interval, OnSetting: w.add})
		if err != nil {
			t.Fatal(err)
		}
		s.m = m
		f.mu.Lock()
		defer f.mu.Unlock()
		f.members[s.id] = s
	}
	open()
	f.isolate("w", true)
	settle(t, s, "color", "blue")
	put(t, s, "/q", "1")
	put(t, a, "/p", "1")
	settle(t, a, "color", "red")
	if got := w.String(); got != "color=blue" {
		t.Errorf("its own write: told %q", got)
	}
	f.isolate("w", false)
	agree(t, a, s)
	if got := w.String(); got != "color=blue color=red" {
		t.Errorf("another's that wins: told %q", got)
	}
	setText(t, a, "sky", "grey")
	agree(t, a, s)
	setText(t, a, "sky", "blue")
	agree(t, a, s)
	if got := w.String(); got != "color=blue color=red color/sky=grey color/sky=blue" {
		t.Errorf("one of a family: told %q", got)
	}
	if err := s.m.Close(); err != nil {
		t.Fatal(err)
	}
	open()
	if got := w.String(); got != "color=blue color=red color/sky=grey color/sky=blue color=red color/sky=blue" {
		t.Errorf("opened again: told %q", got)
	}
	if err := s.m.Close(); err != nil {
		t.Fatal(err)
	}
}
