package driver_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

const (
	sum1 = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	sum2 = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
)

// tag writes what a push of a tag writes, but for the manifest.
func tag(t *testing.T, m *drivertest.Member, repository, name, digest string) {
	t.Helper()
	put(t, m, ocipath.CurrentLink(ocipath.Repository(repository), name), digest)
}

// TestNames are listed page by page, those that begin like what is asked for, over the client.
func TestNames(t *testing.T) {
	t.Parallel()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.Offline, p.Name = true, "attic"
	m := drivertest.Start(t, p)
	for _, repository := range []string{"team/app", "team/apple", "team/app/sub", "teal", "other", "zoo"} {
		tag(t, m, repository, "1.0", sum1)
	}
	for _, name := range []string{"1.1", "1-rc", "2", "latest"} {
		tag(t, m, "team/app", name, sum2)
	}
	names := func(o driver.NamesOptions) []string {
		t.Helper()
		var all []string
		for {
			n, err := driver.NewClient(m.Params).Names(t.Context(), o)
			must(t, err)
			page := n.Repositories
			for _, tag := range n.Tags {
				page = append(page, tag.Name)
			}
			all = append(all, page...)
			if !n.More {
				return all
			}
			if o.Limit == 0 || len(page) != o.Limit {
				t.Fatalf("%+v gives %v, and more", o, page)
			}
			o.After = page[len(page)-1]
		}
	}
	for _, limit := range []int{0, 1, 2, 3} {
		for _, c := range []struct {
			o    driver.NamesOptions
			want []string
		}{
			{driver.NamesOptions{}, []string{"other", "teal", "team/app", "team/app/sub", "team/apple", "zoo"}},
			{driver.NamesOptions{Prefix: "tea"}, []string{"teal", "team/app", "team/app/sub", "team/apple"}},
			{driver.NamesOptions{Prefix: "team/app"}, []string{"team/app", "team/app/sub", "team/apple"}},
			{driver.NamesOptions{Prefix: "team/app/"}, []string{"team/app/sub"}},
			{driver.NamesOptions{Prefix: "none"}, nil},
			{driver.NamesOptions{Repository: "team/app"}, []string{"1-rc", "1.0", "1.1", "2", "latest"}},
			{driver.NamesOptions{Repository: "team/app", Prefix: "1."}, []string{"1.0", "1.1"}},
			{driver.NamesOptions{Repository: "team/app", Prefix: "1"}, []string{"1-rc", "1.0", "1.1"}},
			{driver.NamesOptions{Repository: "team/app", Prefix: "3"}, nil},
		} {
			c.o.Limit = limit
			if got := names(c.o); !slices.Equal(got, c.want) {
				t.Errorf("%+v: %q, not %q", c.o, got, c.want)
			}
		}
	}
	n, err := m.Names(t.Context(), driver.NamesOptions{Repository: "team/app", Prefix: "2"})
	must(t, err)
	if tag := n.Tags[0]; tag.Digest != sum2 || tag.Set.IsZero() || tag.By != (driver.Author{PeerID: m.Identity().PeerID, Name: "attic"}) || len(tag.Others) != 0 {
		t.Errorf("%+v", tag)
	}
	for status, o := range map[int]driver.NamesOptions{
		http.StatusNotFound:   {Repository: "team"},
		http.StatusBadRequest: {Prefix: "x", After: "y"},
	} {
		_, err := driver.NewClient(m.Params).Names(t.Context(), o)
		if e, ok := errors.AsType[*driver.AnswerError](err); !ok || e.Status != status {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestATagThatWasPushedOnTwoSides names both manifests until it is pushed again.
func TestATagThatWasPushedOnTwoSides(t *testing.T) {
	t.Parallel()
	p := drivertest.Parameters(t, drivertest.Key(t))
	members, links := drivertest.Mesh(t, 2, p)
	links[0][1].Cut(true)
	drivertest.Await(t, "they are apart", func() bool { return connectedOnly(members[0], 0) && connectedOnly(members[1], 0) })
	tag(t, members[0], "app", "1", sum1)
	tag(t, members[1], "app", "1", sum2)
	links[0][1].Cut(false)
	drivertest.AwaitMesh(t, members...)
	drivertest.AwaitAgreement(t, members...)
	of := func(m *drivertest.Member) driver.Tag {
		t.Helper()
		n, err := m.Names(t.Context(), driver.NamesOptions{Repository: "app"})
		must(t, err)
		return n.Tags[0]
	}
	first, second := of(members[0]), of(members[1])
	both := append([]string{first.Digest}, first.Others...)
	slices.Sort(both)
	if !slices.Equal(both, []string{sum1, sum2}) || first.Digest != second.Digest || !slices.Equal(first.Others, second.Others) || first.By.PeerID != second.By.PeerID {
		t.Errorf("%+v, %+v", first, second)
	}
	tag(t, members[0], "app", "1", sum1)
	if again := of(members[0]); again.Digest != sum1 || len(again.Others) != 0 {
		t.Errorf("pushed again: %+v", again)
	}
}
