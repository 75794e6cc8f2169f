package driver_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

const tagsDir = "/docker/registry/v2/repositories/a/_manifests/tags"

// isRefusal reports whether an error is a 503 of the driver, which distribution may have
// wrapped in one of its own.
func isRefusal(err error) bool {
	var wrapped storagedriver.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Detail
	}
	var r *driver.Refusal
	return errors.As(err, &r) && r.Status == http.StatusServiceUnavailable && r.Retry > 0
}

// history fills a registry behind a link with tags, and gives the parameters of one that
// joins it. The link is then thin: the history takes seconds.
func history(t *testing.T, tags int, line int64) (a *drivertest.Member, link *drivertest.Link, p driver.Parameters) {
	t.Helper()
	key := drivertest.Key(t)
	a, link = drivertest.StartLinked(t, drivertest.Parameters(t, key))
	for i := range tags {
		put(t, a, tagLink("a", fmt.Sprintf("t%d", i)), fmt.Sprint("sha256:", i))
	}
	link.Throttle(line)
	p = drivertest.Parameters(t, key)
	p.Bootstrappers, p.AloneTimeout = a.Addresses(), time.Hour
	return a, link, p
}

// TestFirstAnswersAfterAStartAreWhole asks a registry that has just started, and lacks
// what was pushed, moved and deleted meanwhile, before anything has come.
func TestFirstAnswersAfterAStartAreWhole(t *testing.T) {
	t.Parallel()
	const tags, line = 400, 100 << 10
	_, link, p := history(t, tags, line)
	p.SyncTimeout = time.Minute
	for name, ask := range map[string]func(*drivertest.Member) error{
		"list": func(b *drivertest.Member) error {
			names, err := b.List(asRequest(t, http.MethodGet, "vars.name"), tagsDir)
			if len(names) != tags {
				return fmt.Errorf("%d of %d tags, %w", len(names), tags, errors.Join(err))
			}
			return err
		},
		"walk": func(b *drivertest.Member) error {
			n := 0
			err := b.Walk(asRequest(t, http.MethodGet), "/docker/registry/v2/repositories", func(info storagedriver.FileInfo) error {
				if strings.HasSuffix(info.Path(), "/link") {
					n++
				}
				return nil
			})
			if n != tags {
				return fmt.Errorf("%d of %d tags", n, tags)
			}
			return err
		},
		"catalog": func(b *drivertest.Member) error {
			names, more, err := b.Repositories(asRequest(t, http.MethodGet), 100, "")
			if len(names) != 1 || more {
				return fmt.Errorf("repositories %v, %v: %w", names, more, errors.Join(err, errors.New("not the one")))
			}
			return err
		},
		"delete": func(b *drivertest.Member) error {
			return b.Delete(asRequest(t, http.MethodDelete, "vars.reference"), tagsDir+"/t399")
		},
	} {
		link.Throttle(line)
		p.DatastorePath = t.TempDir()
		b := drivertest.Start(t, p)
		if err := ask(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "delete" && !missing(b, tagLink("a", "t399")) {
			t.Error("what was deleted before it was heard of is there")
		}
		b.Stop()
		link.Throttle(0)
	}
}

// TestATagThatMovedIsNotServed by a registry that was away, though it knows the tag.
func TestATagThatMovedIsNotServed(t *testing.T) {
	t.Parallel()
	_, b := awayAndBack(t)
	got, err := b.GetContent(asRequest(t, http.MethodGet, "vars.reference"), tagLink("a", "latest"))
	if err != nil || string(got) != "sha256:5" {
		t.Errorf("the tag is %q, %v", got, err)
	}
}

// TestListsAreRefusedUntilTheHistoryCame: a registry whose member answers, and whose history
// takes longer than requests wait, does not serve what it has, however long that takes.
func TestListsAreRefusedUntilTheHistoryCame(t *testing.T) {
	t.Parallel()
	_, link, p := history(t, 400, 60<<10)
	hook := &logtest.Hook{}
	p.SyncTimeout, p.LogLevel = 50*time.Millisecond, "warn"
	b := drivertest.Start(t, p, drivertest.OpenedBy(driver.Logged(hook)))
	request := asRequest(t, http.MethodGet, "vars.reference")
	asks := 0
	drivertest.Await(t, "it has caught up", func() bool {
		names, err := b.List(request, tagsDir)
		if err == nil && len(names) == 400 {
			return true
		}
		if !isRefusal(err) {
			t.Fatalf("a list is %d tags, %v", len(names), err)
		}
		if _, err := b.GetContent(request, tagLink("a", "t399")); err != nil && !isRefusal(err) {
			t.Fatalf("a tag that has not come is %v", err)
		}
		if asks++; asks > 10 && b.Status(t.Context()).Map.Entries > 0 {
			link.Throttle(0) // the rest at once
		}
		return false
	})
	if asks == 0 {
		t.Error("it caught up too soon: the test tested nothing")
	}
	if phase := b.Status(t.Context()).Phase; phase != "joined" || len(b.Ready()) > 0 || len(hook.AllEntries()) > 0 {
		t.Errorf("phase %s, not ready %v, warned %d times", phase, b.Ready(), len(hook.AllEntries()))
	}
}

// TestTwoThatJoinAtOnce: neither takes the other, which lacks the same, for caught up.
func TestTwoThatJoinAtOnce(t *testing.T) {
	t.Parallel()
	const tags = 400
	_, link, p := history(t, tags, 60<<10)
	p.SyncTimeout = 50 * time.Millisecond
	b := drivertest.Start(t, p)
	p.DatastorePath, p.Bootstrappers = t.TempDir(), append(p.Bootstrappers, b.Addresses()...)
	c := drivertest.Start(t, p)
	request := asRequest(t, http.MethodGet, "vars.reference")
	refused := 0
	drivertest.Await(t, "both have caught up", func() bool {
		whole := 0
		for _, m := range []*drivertest.Member{b, c} {
			names, err := m.List(request, tagsDir)
			switch {
			case err == nil && len(names) == tags:
				whole++
			case !isRefusal(err):
				t.Fatalf("a list is %d tags, %v", len(names), err)
			}
		}
		if refused++; refused > 20 && b.Status(t.Context()).Map.Entries > 0 && c.Status(t.Context()).Map.Entries > 0 {
			link.Throttle(0) // the rest at once
		}
		return whole == 2
	})
}

// TestARegistryThatMeetsNobodyServesWhatItHas, says so, and has everything again when the
// member is back.
func TestARegistryThatMeetsNobodyServesWhatItHas(t *testing.T) {
	t.Parallel()
	key := drivertest.Key(t)
	a, _ := drivertest.StartLinked(t, drivertest.Parameters(t, key))
	put(t, a, tagLink("a", "old"), "sha256:0")
	p := drivertest.Parameters(t, key)
	hook := &logtest.Hook{}
	p.Bootstrappers, p.LogLevel = a.Addresses(), "info"
	p.SyncTimeout, p.AloneTimeout = 20*time.Millisecond, 4*time.Second
	b := drivertest.Start(t, p)
	drivertest.AwaitAgreement(t, a, b)
	b.Stop()
	put(t, a, tagLink("a", "new"), "sha256:1")
	a.Stop()
	b = drivertest.Start(t, p, drivertest.OpenedBy(driver.Logged(hook)))
	request := asRequest(t, http.MethodGet, "vars.reference")
	if _, err := b.List(request, tagsDir); !isRefusal(err) {
		t.Errorf("a list right after the start: %v", err)
	}
	if err := b.Delete(request, tagsDir+"/old"); !isRefusal(err) {
		t.Errorf("a delete right after the start: %v", err)
	}
	drivertest.Await(t, "it serves what it has", func() bool {
		names, err := b.List(request, tagsDir)
		return err == nil && len(names) == 1
	})
	if s := b.Status(t.Context()); s.Phase != "alone" || !slices.ContainsFunc(b.Ready(), func(s string) bool { return strings.Contains(s, "no member") }) {
		t.Errorf("alone it is %s, not ready for %v", s.Phase, b.Ready())
	}
	put(t, b, tagLink("a", "mine"), "sha256:2") // it takes pushes as well

	a.Restart()
	drivertest.Await(t, "it is ready", func() bool { return len(b.Ready()) == 0 })
	if names, err := b.List(request, tagsDir); err != nil || len(names) != 3 {
		t.Errorf("when it is ready it has %v, %v", names, err)
	}
	drivertest.Await(t, "it says so", func() bool { return timesLogged(hook, "caught up with it") == 1 })
	if n := timesLogged(hook, "no member of the swarm can be met"); n != 1 {
		t.Errorf("it said %d times that it was alone", n)
	}
}

// TestAPartOfTheHistoryIsNotServed by a registry that was killed while it joined and then meets
// nobody: its tags are any that there ever were. It serves them once those who know better are
// forgotten.
func TestAPartOfTheHistoryIsNotServed(t *testing.T) {
	t.Parallel()
	const tags = 400
	a, _, p := history(t, tags, 60<<10)
	p.SyncTimeout = 20 * time.Millisecond
	b := drivertest.Start(t, p)
	drivertest.Await(t, "a part has come", func() bool { return b.Status(t.Context()).Map.Entries > 0 })
	b.Stop()
	a.Stop()
	hook := &logtest.Hook{}
	p.LogLevel, p.AloneTimeout = "warn", 100*time.Millisecond
	b = drivertest.Start(t, p, drivertest.OpenedBy(driver.Logged(hook)))
	if n := b.Status(t.Context()).Map.Entries; n == 0 || n >= tags {
		t.Fatalf("%d of %d tags came: nothing is tested", n, tags)
	}
	request := asRequest(t, http.MethodGet, "vars.reference")
	drivertest.Await(t, "it says what is missing", func() bool {
		if _, err := b.List(request, tagsDir); !isRefusal(err) {
			t.Fatalf("it lists its part: %v", err)
		}
		return slices.ContainsFunc(b.Ready(), func(s string) bool { return strings.Contains(s, "only a part") })
	})
	drivertest.Await(t, "it is logged once", func() bool { return timesLogged(hook, "only a part") == 1 })
	if err := b.PutContent(t.Context(), tagLink("a", "mine"), []byte("sha256:2")); !isRefusal(err) {
		t.Errorf("a push to it: %v", err)
	}
	b.Stop()
	p.Bootstrappers = nil // they are gone for good
	b = drivertest.Start(t, p)
	drivertest.Await(t, "it serves what it has", func() bool {
		names, err := b.List(request, tagsDir)
		return err == nil && len(names) > 0
	})
}

// TestAPushToARegistryThatJoinsWins over tags of a history that has not come, in which
// they were pushed many times.
func TestAPushToARegistryThatJoinsWins(t *testing.T) {
	t.Parallel()
	a, link, p := history(t, 400, 16<<10)
	p.SyncTimeout = 50 * time.Millisecond
	b := drivertest.Start(t, p)
	drivertest.Await(t, "the push is taken", func() bool {
		err := b.PutContent(t.Context(), tagLink("a", "t399"), []byte("sha256:last"))
		if err != nil && !isRefusal(err) {
			t.Fatal(err)
		}
		return err == nil
	})
	if b.Status(t.Context()).Phase != "joining" {
		t.Error("it caught up too soon: the test tested nothing")
	}
	link.Throttle(0)
	drivertest.AwaitAgreement(t, a, b)
	for _, m := range []*drivertest.Member{a, b} {
		if got := string(get(t, m, tagLink("a", "t399"))); got != "sha256:last" {
			t.Errorf("the tag is %s", got)
		}
	}
}
