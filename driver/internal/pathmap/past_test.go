package pathmap_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// pasts reads the whole history, in pages.
func pasts(t *testing.T, s *seat, page int) (all []pathmap.Past) {
	t.Helper()
	for mark := ""; ; {
		n := 0
		err := s.m.Past(t.Context(), mark, func(p pathmap.Past) bool {
			all, mark = append(all, p), p.Mark
			n++
			return n < page
		})
		if err != nil {
			t.Fatal(err)
		}
		if n < page {
			return all
		}
	}
}

// deeds are what a delta did, in short: the contents that it gave to paths, and those that it took.
func deeds(t *testing.T, s *seat, p pathmap.Past, contents ...string) (lines []string) {
	t.Helper()
	nameOf := func(v pathmap.PastVersion) string {
		for _, c := range contents {
			if v.Err == nil && v.Entry.CID == entryOf(t, c).CID {
				return v.Writer + ":" + c
			}
		}
		return "?"
	}
	for _, c := range p.Changes {
		line := c.Path
		for _, v := range c.Added {
			line += " +" + nameOf(v)
		}
		var gone []string
		for _, v := range c.Removed {
			was, err := s.m.Recall(t.Context(), v)
			if err != nil || was.Name != v.Name {
				t.Errorf("recall %s: %v", v.Name, err)
			}
			gone = append(gone, " -"+nameOf(was))
		}
		slices.Sort(gone)
		for _, g := range gone {
			line += g
		}
		lines = append(lines, line)
	}
	return lines
}

// TestThePastIsToldLatestFirst: what was written, what that took the place of, and what was deleted,
// by whom; and of what two wrote at the same time, that neither saw the other.
func TestThePastIsToldLatestFirst(t *testing.T) {
	f := quietFabric(t)
	a, b := f.add("a"), f.add("b")
	put(t, a, "/t", "1")
	hear(t, b, a, 0)
	put(t, a, "/t", "2")
	put(t, b, "/t", "3")
	hear(t, a, b, 0)
	hear(t, b, a, 0)
	for _, s := range []*seat{a, b} {
		live := s.m.View().Live("/t")
		if e, err := s.m.View().Get("/t"); len(live) != 2 || err != nil || live[0].Entry != e || !live[0].Wins(live[1]) || live[1].Wins(live[0]) {
			t.Fatalf("live are %+v", live)
		}
		if names := s.m.View().VersionsOf("/t"); !slices.Contains(names, live[0].Name) || !slices.Contains(names, live[1].Name) {
			t.Errorf("versions are %v", names)
		}
	}
	put(t, a, "/t", "4")
	del(t, a, "/t")
	if err := a.m.Write(t.Context(), pathmap.Op{Path: "/x", Entry: new(entryOf(t, "1"))}, pathmap.Op{Path: "/y", Entry: new(entryOf(t, "2"))}); err != nil {
		t.Fatal(err)
	}
	hear(t, b, a, 0)
	want := [][]string{
		{"/x +a:1", "/y +a:2"}, {"/t -a:4"}, {"/t +a:4 -a:2 -b:3"},
		{"/t +a:2 -a:1", "/t +b:3 -a:1"}, // in either order
		{"/t +a:1"},
	}
	for _, s := range []*seat{a, b} {
		for _, page := range []int{1, 2, 100} {
			all := pasts(t, s, page)
			if len(all) != 6 {
				t.Fatalf("%s knows %d deltas", s.id, len(all))
			}
			var got [][]string
			for _, p := range all {
				got = append(got, deeds(t, s, p, "1", "2", "3", "4"))
			}
			together := slices.Concat(got[3], got[4])
			slices.Sort(together)
			got = slices.Concat(got[:3], [][]string{together}, got[5:])
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s says in pages of %d:\n%q, not\n%q", s.id, page, got, want)
			}
		}
	}
	if h := pasts(t, a, 100)[1].Heard; h == nil || h.From != string(a.id) || h.At.IsZero() {
		t.Errorf("the one who deleted it says %+v", h)
	}
	if h := pasts(t, b, 100)[1].Heard; h == nil || h.From != "" {
		t.Errorf("one who was told nothing says %+v", h)
	}
	n := 0 // after the end of the history
	if err := a.m.Past(t.Context(), "ffffffffffffffff-1220"+strings.Repeat("0", 64), func(pathmap.Past) bool { n++; return true }); err != nil || n != 6 {
		t.Errorf("%d deltas: %v", n, err)
	}
	for _, mark := range []string{"x", "0", "00-00", fmt.Sprintf("%0200x", 1)} {
		if err := a.m.Past(t.Context(), mark, func(pathmap.Past) bool { return true }); !errors.Is(err, pathmap.ErrMark) {
			t.Errorf("before %q: %v", mark, err)
		}
	}
}

// TestALongPastIsReadShelfByShelf, each delta once.
func TestALongPastIsReadShelfByShelf(t *testing.T) {
	f := quietFabric(t)
	a := f.add("a")
	const n = 600 // over two shelves
	for i := range n {
		put(t, a, fmt.Sprintf("/p%d", i), "x")
	}
	all := pasts(t, a, 7)
	for i, p := range all {
		if want := fmt.Sprintf("/p%d", n-1-i); len(p.Changes) != 1 || p.Changes[0].Path != want {
			t.Fatalf("delta %d is %+v, not of %s", i, p.Changes, want)
		}
	}
	if len(all) != n {
		t.Errorf("%d deltas, not %d", len(all), n)
	}
}
