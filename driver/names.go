package driver

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// mostNames is how many names one answer has.
const mostNames = 1000

// NamesOptions say which names are asked for. The zero value is the first repositories.
type NamesOptions struct {
	Repository string // whose tags; "": repositories
	Prefix     string // with which the names begin
	After      string // only those that come after this one
	Limit      int    // how many; 0: as many as one answer has, which is 1,000
}

// Names are repositories that hold a manifest, or the tags of one, in the order of distribution's
// catalog and of its lists of tags.
type Names struct {
	Repositories []string `json:"repositories"` // none when tags were asked for
	Tags         []Tag    `json:"tags"`         // of the repository that was asked for
	More         bool     `json:"more"`         // others follow the last one
}

// Tag is where a tag leads.
type Tag struct {
	Name   string    `json:"name"`
	Digest string    `json:"digest"` // of the manifest; "": a later release wrote it
	Set    time.Time `json:"set"`    // when it was pushed, by the clock of the registry that took the push
	By     Author    `json:"by"`     // that registry
	Others []string  `json:"others"` // digests that were pushed under this tag elsewhere at the same time, and lost
}

// Author is a registry that wrote an entry of the map.
type Author struct {
	PeerID string `json:"peer_id"`
	Name   string `json:"name"` // "" when it is not known
}

// Names lists repositories, or the tags of one. Its cost grows with what it lists, and with what
// else begins like Prefix.
func (d *Driver) Names(_ context.Context, o NamesOptions) (Names, error) { return d.store.listNames(o) }

// Names asks for repositories, or the tags of one, as Driver.Names does.
func (c *Client) Names(ctx context.Context, o NamesOptions) (Names, error) {
	q := admin.Query{"repository": {o.Repository}, "prefix": {o.Prefix}, "after": {o.After}}
	if o.Limit > 0 {
		q.Set("limit", strconv.Itoa(o.Limit))
	}
	return ask[Names](ctx, c, http.MethodGet, "/v1/names", q)
}

func (s *store) namesRoute() admin.Route {
	return admin.Get("/v1/names", "Repositories, or the tags of one.", func(_ context.Context, q admin.Query) (Names, error) {
		limit, err := askedNumber(q, "limit")
		if err != nil {
			return Names{}, err
		}
		return s.listNames(NamesOptions{Repository: q.Get("repository"), Prefix: q.Get("prefix"), After: q.Get("after"), Limit: int(min(limit, mostNames))})
	},
		admin.Param{Name: "repository", About: "whose tags; without it repositories"},
		admin.Param{Name: "prefix", About: "with which the names begin; without it all"},
		admin.Param{Name: "after", About: "only those that come after this one; without it all"},
		admin.Param{Name: "limit", About: "how many; without it, and at most, 1000"})
}

func (s *store) listNames(o NamesOptions) (Names, error) {
	if o.Limit <= 0 || o.Limit > mostNames {
		o.Limit = mostNames
	}
	if !strings.HasPrefix(o.After, o.Prefix) && o.After != "" {
		return Names{}, admin.Invalid(fmt.Errorf("after: %q does not begin with %q, as all names that are asked for do", o.After, o.Prefix))
	}
	view := s.paths.View()
	if o.Repository == "" {
		names, more := repositoriesFrom(view, o.Limit, o.After, o.Prefix)
		return Names{Repositories: append([]string{}, names...), Tags: []Tag{}, More: more}, nil
	}
	dir := ocipath.Repository(o.Repository)
	if !s.isRepository(dir) {
		return Names{}, admin.NotFound(fmt.Errorf("%s: this registry knows no repository of that name", o.Repository))
	}
	tags, more := s.tags(view, dir, o)
	return Names{Repositories: []string{}, Tags: tags, More: more}, nil
}

// tags lists those of a repository, given its directory.
func (s *store) tags(view pathmap.View, dir string, o NamesOptions) (tags []Tag, more bool) {
	tags = []Tag{}
	authors := s.authors()
	after := max(o.After, o.Prefix[:max(0, len(o.Prefix)-1)]) // which comes before all that begin with the prefix
	view.Children(ocipath.Tags(dir), after, func(c pathmap.Child) bool {
		name := path.Base(c.Path)
		if !strings.HasPrefix(name, o.Prefix) {
			return name < o.Prefix
		}
		tag, ok := tagAt(view, ocipath.CurrentLink(dir, name), authors)
		if more = ok && len(tags) == o.Limit; ok && !more {
			tag.Name = name
			tags = append(tags, tag)
		}
		return !more
	})
	return tags, more
}

// tagAt reads the link of a tag; false when there is none.
func tagAt(view pathmap.View, link string, authors authors) (t Tag, ok bool) {
	t.Others = []string{}
	view.Each(link, func(_ string, live []pathmap.Entry, _ error) bool {
		ok = true
		for i, e := range live {
			d := linked(e)
			switch {
			case i == 0:
				t.Digest, t.Set = d, e.ModTime
			case d != "" && d != t.Digest && !slices.Contains(t.Others, d):
				t.Others = append(t.Others, d)
			}
		}
		return false
	})
	t.By = authors.of(view.Writer(link))
	return t, ok
}

// linked is the digest that a link names; "" where the entry is no link.
func linked(e pathmap.Entry) string {
	content, ok := dag.InlineBytes(e.CID)
	if !ok {
		return ""
	}
	d, err := digest.Parse(string(content))
	if err != nil {
		return ""
	}
	return d.String()
}

// authors are the names of the registries that are known, by their peer IDs.
type authors map[string]string

func (s *store) authors() authors {
	all := authors{s.engine.Self(): s.engine.Name()}
	for _, m := range s.engine.Members() {
		all[m.ID.String()] = m.Name
	}
	return all
}

func (a authors) of(peerID string) Author { return Author{PeerID: peerID, Name: a[peerID]} }
