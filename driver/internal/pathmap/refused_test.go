package pathmap_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

func putRaw(t *testing.T, s *seat, key string) {
	t.Helper()
	if err := s.m.PutRaw(key, entryOf(t, "raw")); err != nil {
		t.Fatal(err)
	}
}

// TestAChangeThatIsRefused: a change that an older release accepted. A registry that
// refuses it says so once for each member that has it, keeps what came before, and goes on
// without it.
func TestAChangeThatIsRefused(t *testing.T) {
	for name, key := range map[string]string{
		"capitals":      "/f/bad:000000000000000A-older",
		"too great":     pathmap.KeyOf("/bad", 1<<40, "older"),
		"without end":   pathmap.KeyOf("/bad", math.MaxUint64, "older"),
		"a longer path": pathmap.KeyOf("/"+strings.Repeat("b", 5000), 9, "older"),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFabric(t)
			older, a, b := f.add("older"), f.add("a"), f.add("b")
			put(t, older, "/before", "1")
			agree(t, older, a, b)
			putRaw(t, older, key)
			for _, s := range []*seat{a, b} {
				eventually(t, "it is refused", func() bool { return s.m.Refused()["older"].Reason != "" })
			}
			put(t, a, "/after", "1")
			eventually(t, "the others follow each other", func() bool { return has(b, "/after", "1", t) })
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			if err := b.m.CatchUp(ctx); err != nil {
				t.Errorf("what never comes is waited for: %v", err)
			}
			assertRefused(t, b, "older")
		})
	}
}

// assertRefused: there is one reason, and there was one warning, however often the
// members were compared.
func assertRefused(t *testing.T, s *seat, id string) {
	t.Helper()
	for range 3 {
		s.m.Joined("older")
		s.m.Follow(t.Context())
	}
	all := s.m.Refused()
	for other, r := range all {
		if string(other) != id || r.Since.IsZero() || !strings.Contains(r.Reason, "delta") {
			t.Errorf("not followed: %s since %s: %q", other, r.Since, r.Reason)
		}
	}
	if w := s.warnings(); len(all) != 1 || len(w) != 1 {
		t.Errorf("%d members are not followed; warnings: %q", len(all), w)
	}
	if !has(s, "/before", "1", t) {
		t.Error("what came before is not here")
	}
}

// TestCountersReachedInSteps: a newcomer that knows nothing accepts counters that an
// established swarm has reached in steps; and a member that was refused is followed once it
// is known how its counters came about.
func TestCountersReachedInSteps(t *testing.T) {
	f := newFabric(t)
	older, a := f.add("older"), f.add("a")
	putRaw(t, older, pathmap.KeyOf("/far", 2*pathmap.MaxJump, "older"))
	eventually(t, "it is refused", func() bool { return len(a.m.Refused()) == 1 })
	putRaw(t, older, pathmap.KeyOf("/step", pathmap.MaxJump, "older"))
	eventually(t, "it is followed", func() bool { return len(a.m.Refused()) == 0 })
	older.stop()
	older.start() // it reads what it wrote
	agree(t, older, a)
	put(t, a, "/next", "1")
	newcomer := f.add("newcomer")
	agree(t, older, a, newcomer)
	put(t, newcomer, "/next", "2")
	agree(t, older, a, newcomer)
	if !has(older, "/next", "2", t) || a.m.View().Versions("/next") != 1 {
		t.Error("a newcomer's write does not win")
	}
}

// TestNoVersionIsLeft where an older release took the greatest there is: no write is
// acknowledged that all others would win over.
func TestNoVersionIsLeft(t *testing.T) {
	a := newFabric(t).add("a")
	putRaw(t, a, pathmap.KeyOf("/last", math.MaxUint64, "older"))
	a.stop()
	a.start()
	if err := a.m.Put(t.Context(), "/last", entryOf(t, "lost")); err == nil {
		t.Error("a write below the greatest version was acknowledged")
	}
	if !has(a, "/last", "raw", t) {
		t.Error("it is not what it was")
	}
}

// TestChangesThatOthersWouldRefuse are refused here, before they are on any disk, and spoil no
// write that shares their delta.
func TestChangesThatOthersWouldRefuse(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	bad := map[string]error{
		"/" + strings.Repeat("p", 4100): pathmap.ErrBadPath,
		"relative":                      pathmap.ErrBadPath,
		"/a//b":                         pathmap.ErrBadPath,
		"/a/../b":                       pathmap.ErrBadPath,
		"/a/":                           pathmap.ErrBadPath,
		"/":                             pathmap.ErrBadPath,
		"/a:b":                          pathmap.ErrBadPath,
		"/a\x00b":                       pathmap.ErrBadPath,
		"/a\xff":                        pathmap.ErrBadPath,
	}
	for path, want := range bad {
		if err := a.m.Put(t.Context(), path, entryOf(t, "1")); !errors.Is(err, want) {
			t.Errorf("put %.20q: %v", path, err)
		}
	}
	for _, e := range []pathmap.Entry{{Size: 1}, {CID: entryOf(t, "1").CID, Size: -1}} {
		if err := a.m.Put(t.Context(), "/entry", e); err == nil {
			t.Errorf("put %v", e)
		}
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			path := strings.Repeat("/component", 395+i) // the longest that fits is among them
			err := a.m.Put(t.Context(), path, entryOf(t, "1"))
			if (err == nil) == gone(a, path) {
				t.Errorf("put of %d bytes: %v, and gone: %t", len(path), err, gone(a, path))
			}
		})
	}
	wg.Wait()
	if n := a.m.View().Len(); n == 0 || n == 20 {
		t.Errorf("%d of 20 paths fit", n)
	}
	agree(t, a, b)
	if len(b.m.Refused()) > 0 || len(b.warnings()) > 0 {
		t.Errorf("b refuses %v", b.m.Refused())
	}
}

// TestADeltaThatDoesNotFit is refused without those that share its commit: a path that
// was written on so many registries at once that its versions fill a delta.
func TestADeltaThatDoesNotFit(t *testing.T) {
	if testing.Short() {
		t.Skip("the datastore takes a minute for keys of kilobytes with the race detector: make test-long")
	}
	f := newFabric(t)
	a := f.add("a")
	crowded := strings.Repeat("/component", 390)
	for i := range uint64(300) {
		putRaw(t, a, pathmap.KeyOf(crowded, i+1, "older"))
	}
	a.stop()
	a.start()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { put(t, a, fmt.Sprintf("/fits/%d", i), "1") })
	}
	for range 2 {
		if err := a.m.Put(t.Context(), crowded, entryOf(t, "2")); err == nil {
			t.Error("a delta of more than 1 MiB was written")
		}
	}
	wg.Wait()
	b := f.add("b")
	agree(t, a, b)
	if n := b.m.View().Len(); n != 21 || len(b.m.Refused()) > 0 {
		t.Errorf("%d paths; refused: %v", n, b.m.Refused())
	}
}
