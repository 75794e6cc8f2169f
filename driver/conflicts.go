package driver

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

const (
	mostTogether  = 16              // versions of a tag, set at the same time, that are told of
	mostConflicts = 10_000          // conflicts that were met while the history is read
	mostAsked     = 20              // manifests that members are asked for
	askedFor      = 2 * time.Second // so long each
)

// conflicts finds tags that were set on several registries at the same time: versions that were alive
// together. Those of which one is alive still are in the map; the others were removed together, by a
// delta that is read before those that wrote them.
type conflicts struct {
	s         *store
	view      pathmap.View
	authors   authors
	together  map[string][][]pathmap.PastVersion // that were removed together, by path
	met       int
	manifests map[string]string // what TagVersion.Manifest says, by repository and digest
	asked     int
}

// removed notes versions of a path that one delta removed.
func (c *conflicts) removed(path string, all []pathmap.PastVersion) {
	if len(all) > 1 && c.met < mostConflicts {
		c.met++
		c.together[path] = append(c.together[path], all)
	}
}

// of is the conflict in which a version was; nil: there was none.
func (c *conflicts) of(ctx context.Context, path string, v pathmap.PastVersion) *TagConflict {
	is := func(o pathmap.PastVersion) bool { return o.Name == v.Name }
	if live := c.view.Live(path); slices.ContainsFunc(live, is) {
		return c.between(ctx, path, live, true)
	}
	for _, all := range c.together[path] {
		if slices.ContainsFunc(all, is) {
			return c.between(ctx, path, all, false)
		}
	}
	return nil
}

// between is the conflict of versions; nil when they lead to one manifest.
func (c *conflicts) between(ctx context.Context, path string, all []pathmap.PastVersion, open bool) *TagConflict {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b pathmap.PastVersion) int {
		if a.Wins(b) {
			return -1
		}
		return 1
	})
	var of TagConflict
	var seen []string
	for _, v := range all {
		d := linkOf(v)
		if d == "" || slices.Contains(seen, d) {
			continue
		}
		seen = append(seen, d)
		t := TagVersion{Digest: d, By: c.authors.of(v.Writer), At: timeOf(v), Manifest: c.manifest(ctx, ocipath.Parse(path).Repository, digest.Digest(d))}
		if len(seen) == 1 {
			of.Won = t
		} else if len(of.Lost) < mostTogether {
			of.Lost = append(of.Lost, t)
		}
	}
	if len(of.Lost) == 0 {
		return nil
	}
	of.Open = open
	return &of
}

// manifest is where the bytes of a manifest of a repository are; "": it was not asked.
func (c *conflicts) manifest(ctx context.Context, repository string, d digest.Digest) string {
	key := repository + "@" + d.String()
	state, ok := c.manifests[key]
	if !ok {
		state = c.find(ctx, repository, d)
		c.manifests[key] = state
	}
	return state
}

func (c *conflicts) find(ctx context.Context, repository string, d digest.Digest) string {
	_, err := c.view.Get(ocipath.RevisionLink(repository, d))
	e, berr := c.view.Get(ocipath.BlobData(ocipath.Root, d))
	switch {
	case err != nil || berr != nil:
		return "deleted"
	case c.s.blobs.Has(e.CID):
		return "here"
	case c.asked == mostAsked:
		return ""
	}
	c.asked++
	ctx, cancel := context.WithTimeout(ctx, askedFor)
	defer cancel()
	if who, err := c.s.transfers.Holders(ctx, refOf(e)); err != nil || len(who) == 0 {
		return "silent"
	}
	return "elsewhere"
}

// openConflicts begins the answer with the tags of the map that are in conflict.
func (r *logReader) openConflicts() {
	below := ocipath.Repositories
	if r.o.Repository != "" {
		below = ocipath.Tags(ocipath.Repository(r.o.Repository))
	}
	r.conflicts.view.Each(below, func(path string, live []pathmap.Entry, _ error) bool {
		if len(live) < 2 {
			return true
		}
		at := ocipath.Parse(path)
		if at.Kind != ocipath.TagCurrent {
			return true
		}
		if c := r.conflicts.between(r.ctx, path, r.conflicts.view.Live(path), true); c != nil {
			won := LogChange{
				What: "tagged", Repository: strings.TrimPrefix(at.Repository, ocipath.Repositories+"/"), Tag: at.Tag,
				Digest: c.Won.Digest, From: []string{}, By: c.Won.By, At: c.Won.At, Conflict: c,
			}
			if late := !won.At.Before(r.o.Since); late || slices.ContainsFunc(c.Lost, func(v TagVersion) bool { return !v.At.Before(r.o.Since) }) {
				r.answer.Changes = append(r.answer.Changes, won)
			}
		}
		return len(r.answer.Changes) < r.o.Limit && r.ctx.Err() == nil
	})
}

func isForgotten(err error) bool { return errors.Is(err, pathmap.ErrNotFound) }
