package pathmap_test

import (
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// collector collects on a seat what is at one path, unless something is at another, that of
// a manifest which refers to it.
type collector struct {
	t              *testing.T
	s              *seat
	blob, manifest string
	heard          map[string]lease.Hearing
	now            lease.Moment
}

func (c *collector) unused(view pathmap.View) iter.Seq2[string, []string] {
	all := map[string][]string{}
	if view.Versions(c.manifest) == 0 && view.Versions(c.blob) > 0 {
		all[c.blob] = view.VersionsOf(c.blob)
	}
	return maps.All(all)
}

func (c *collector) mark() *lease.Mark {
	view, counter := c.s.m.Cut()
	c.heard = map[string]lease.Hearing{}
	b, err := json.Marshal(lease.NewMark(c.now, counter, c.unused(view)))
	if err != nil {
		c.t.Fatal(err)
	}
	c.s.stop() // the mark outlives the run
	c.s.start()
	var mark lease.Mark
	if err := json.Unmarshal(b, &mark); err != nil {
		c.t.Fatal(err)
	}
	return &mark
}

// hearAll asks everybody, and gives whom it waits for.
func (c *collector) hearAll(mark *lease.Mark) []string {
	var known []string
	for _, id := range c.s.Known() {
		known = append(known, string(id))
		c.now++
		if asked := c.now; c.s.m.Hear(c.t.Context(), id, mark.Counter) == nil {
			c.heard[string(id)] = lease.Hearing{Asked: asked, Counter: mark.Counter}
		}
	}
	_, missing := mark.Waits(c.now, 0, slices.Values(known), c.heard)
	return missing
}

// collect deletes what may go by the versions of a view.
func (c *collector) collect(mark *lease.Mark, view pathmap.View) (n int) {
	c.t.Helper()
	for path := range mark.Expired(c.unused(view)) {
		n++
		if err := c.s.m.Write(c.t.Context(), pathmap.Op{Path: path, Seen: &view}); err != nil {
			c.t.Fatal(err)
		}
	}
	return n
}

// push pushes a manifest that relies on the blob's entry, by rule 1.
func (c *collector) push(s *seat) {
	c.t.Helper()
	defer s.m.Rely()()
	e, err := s.m.View().Get(c.blob)
	if err != nil {
		c.t.Fatal(err)
	}
	ops := []pathmap.Op{{Path: c.manifest, Entry: &e}}
	if !s.m.Wrote(c.blob, time.Hour) {
		ops = append(ops, pathmap.Op{Path: c.blob, Entry: &e})
	}
	if err := s.m.Write(c.t.Context(), ops...); err != nil {
		c.t.Fatal(err)
	}
}

func newCollector(t *testing.T) (c *collector, a, b *seat) {
	f := quietFabric(t)
	a, b = f.add("a"), f.add("b")
	c = &collector{t: t, s: f.add("c"), blob: "/blobs/1", manifest: "/manifests/1", now: 1}
	put(t, a, c.blob, "content")
	hear(t, c.s, a, 0)
	hear(t, b, a, 0)
	return c, a, b
}

// TestACollectionAgainstACutLink: what is pushed to a registry that is cut off holds the
// collection up, and is whole when it is heard of.
func TestACollectionAgainstACutLink(t *testing.T) {
	for _, pushedTo := range []string{"who wrote the entry", "another one"} {
		t.Run(pushedTo, func(t *testing.T) {
			c, a, b := newCollector(t)
			if pushedTo == "another one" {
				a, b = b, a
			}
			mark := c.mark()
			a.f.isolate(a.id, true)
			c.push(a)
			if missing := c.hearAll(mark); !slices.Equal(missing, []string{string(a.id)}) {
				t.Fatalf("%q hold it up", missing)
			}
			a.f.isolate(a.id, false)
			if missing := c.hearAll(mark); len(missing) > 0 {
				t.Fatalf("%q hold it up", missing)
			}
			view := c.s.m.View()
			if view.Versions(c.manifest) == 0 {
				t.Fatal("heard, and the manifest is not here")
			}
			if n := c.collect(mark, view); n > 0 {
				t.Errorf("%d entries went that a manifest refers to", n)
			}
			hear(t, b, c.s, 0)
			if view := b.m.View(); view.Versions(c.blob) == 0 || view.Versions(c.manifest) == 0 {
				t.Error("a third one lacks the manifest, or what it refers to")
			}
		})
	}
}

// TestAPushBetweenViewAndDelete, and one on a registry that hears of the delete only later:
// the entry survives.
func TestAPushBetweenViewAndDelete(t *testing.T) {
	for _, on := range []string{"the collector", "who wrote the entry", "another one"} {
		t.Run(on, func(t *testing.T) {
			c, a, b := newCollector(t)
			mark := c.mark()
			if missing := c.hearAll(mark); len(missing) > 0 {
				t.Fatalf("%q hold it up", missing)
			}
			if err := c.s.m.Lapse(t.Context(), mark.Counter); err != nil {
				t.Fatal(err)
			}
			view := c.s.m.View()
			to := map[string]*seat{"the collector": c.s, "who wrote the entry": a, "another one": b}[on]
			c.push(to)
			if n := c.collect(mark, view); n != 1 {
				t.Fatalf("%d entries go", n)
			}
			for range 2 {
				for _, s := range []*seat{a, b, c.s} {
					for _, o := range []*seat{a, b, c.s} {
						if o != s {
							hear(t, s, o, 0)
						}
					}
				}
			}
			for _, s := range []*seat{a, b, c.s} {
				if view := s.m.View(); view.Versions(c.blob) != 1 || view.Versions(c.manifest) != 1 {
					t.Errorf("%s has %d of the manifest, and %d of what it refers to", s.id, view.Versions(c.manifest), view.Versions(c.blob))
				}
			}
		})
	}
}

// TestWhatNobodyWantsGoes, on every registry.
func TestWhatNobodyWantsGoes(t *testing.T) {
	c, a, b := newCollector(t)
	mark := c.mark()
	if missing := c.hearAll(mark); len(missing) > 0 {
		t.Fatalf("%q hold it up", missing)
	}
	if n := c.collect(mark, c.s.m.View()); n != 1 {
		t.Fatalf("%d entries go", n)
	}
	for _, s := range []*seat{a, b} {
		hear(t, s, c.s, 0)
		if s.m.View().Versions(c.blob) > 0 {
			t.Errorf("it is left on %s", s.id)
		}
	}
}

// comeBack writes anew, by rule 5, what the manifest lacks.
func (c *collector) comeBack(s *seat) {
	c.t.Helper()
	view := s.m.View()
	if err := s.m.Lapse(c.t.Context(), 0); err != nil {
		c.t.Fatal(err)
	}
	writer, counter := view.Newest(c.manifest)
	manifests := slices.Values([]lease.Manifest{{Writer: writer, Counter: counter, Refs: []lease.Ref{
		{Path: c.blob, Alive: s.m.View().Versions(c.blob) > 0, Here: true},
	}}})
	e := entryOf(c.t, "content")
	var ops []pathmap.Op
	for path := range lease.Missing(view.Unheard(), manifests) {
		ops = append(ops, pathmap.Op{Path: path, Entry: &e})
	}
	if err := s.m.Write(c.t.Context(), append(ops, view.DropUnheard(string(s.id)))...); err != nil {
		c.t.Fatal(err)
	}
}

// TestAForgottenWriterReturns: what it pushed meanwhile, relying on what went, is whole again,
// even when it returned just before the deletes.
func TestAForgottenWriterReturns(t *testing.T) {
	for _, returns := range []string{"later", "between the second view and the deletes"} {
		t.Run(returns, func(t *testing.T) {
			c, a, b := newCollector(t)
			if err := c.s.m.DoNotWait(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			mark := c.mark()
			a.f.isolate("a", true)
			c.push(a)
			if missing := c.hearAll(mark); !slices.Equal(missing, []string{"a"}) {
				t.Fatalf("%q hold it up", missing)
			}
			notWaited, err := c.s.m.NotWaited()
			if err != nil {
				t.Fatal(err)
			}
			known := lease.Known("c", []string{"b"}, c.s.m.Writers(), notWaited)
			unheard := lease.Unheard(known, c.s.m.Merged())
			view := c.s.m.View()
			if returns != "later" {
				a.f.isolate("a", false)
				hear(t, c.s, a, 0)
			}
			for id, counter := range unheard {
				record, err := view.RecordUnheard(id, counter)
				if err == nil {
					err = c.s.m.Write(t.Context(), record)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if n := c.collect(mark, view); n != 1 {
				t.Fatalf("%d entries go", n)
			}
			a.f.isolate("a", false)
			hear(t, a, c.s, 0)
			if view := a.m.View(); view.Versions(c.blob) > 0 || view.Versions(c.manifest) == 0 {
				t.Fatal("nothing that a relied on went")
			}
			c.comeBack(a)
			for _, s := range []*seat{b, c.s} {
				hear(t, s, a, 0)
			}
			for _, s := range []*seat{a, b, c.s} {
				view := s.m.View()
				if view.Versions(c.blob) == 0 || view.Versions(c.manifest) == 0 || len(view.Unheard()) > 0 {
					t.Errorf("on %s: %d of the manifest, %d of what it refers to, records %v",
						s.id, view.Versions(c.manifest), view.Versions(c.blob), view.Unheard())
				}
			}
		})
	}
}
