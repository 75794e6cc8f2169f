package driver

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// logReader makes an answer of the history, delta by delta.
type logReader struct {
	ctx       context.Context // of the answer
	s         *store
	o         LogOptions
	authors   authors
	conflicts *conflicts
	old       int  // deltas in a row that are before Since
	late      bool // the last delta with a time was not
	answer    Log
	err       error
}

func newLogReader(ctx context.Context, s *store, o LogOptions) *logReader {
	a := s.authors()
	return &logReader{
		ctx: ctx, s: s, o: o, authors: a, late: true, answer: Log{Changes: []LogChange{}},
		conflicts: &conflicts{s: s, view: s.paths.View(), authors: a, together: map[string][][]pathmap.PastVersion{}, manifests: map[string]string{}},
	}
}

// full reports whether the answer is as long as it may be.
func (r *logReader) full() bool {
	return len(r.answer.Changes) >= r.o.Limit || r.answer.Looked >= mostLooked || r.old >= mostOld
}

// read takes one more delta; false: it was the last.
func (r *logReader) read(p pathmap.Past) bool {
	if r.err = r.ctx.Err(); r.err != nil {
		return false
	}
	r.answer.Looked++
	r.date(p)
	var changes []LogChange
	if changes, r.err = r.changes(p); r.err != nil {
		return false
	}
	for _, c := range changes {
		if r.wanted(c) {
			r.answer.Changes = append(r.answer.Changes, c)
		}
	}
	r.answer.Next = p.Mark
	return !r.full()
}

// date notes whether a delta is before Since, as far as that can be known.
func (r *logReader) date(p pathmap.Past) {
	for _, c := range p.Changes {
		for _, v := range c.Added {
			if v.Err == nil {
				r.late = !v.Entry.ModTime.Before(r.o.Since)
			}
		}
	}
	if r.late {
		r.old = 0
	} else {
		r.old++
	}
}

// wanted reports whether a change was asked for.
func (r *logReader) wanted(c LogChange) bool {
	switch {
	case r.o.Conflicts && (c.Conflict == nil || c.Conflict.Open || c.Digest != c.Conflict.Won.Digest): // once each
		return false
	case c.At != nil:
		return !c.At.Before(r.o.Since)
	case c.Heard != nil:
		return !c.Heard.Before(r.o.Since)
	}
	return r.late
}

// changes are what a delta did to tags and manifests.
func (r *logReader) changes(p pathmap.Past) (all []LogChange, err error) {
	tagged := map[string]bool{}                // repository and digest
	for i := len(p.Changes) - 1; i >= 0; i-- { // tags come after revisions
		of := p.Changes[i]
		at := ocipath.Parse(of.Path)
		name, ok := strings.CutPrefix(at.Repository, ocipath.Repositories+"/")
		if !ok || r.o.Repository != "" && name != r.o.Repository {
			continue
		}
		c := LogChange{Repository: name, From: []string{}}
		switch {
		case at.Kind == ocipath.TagCurrent:
			c.Tag = at.Tag
			if err := r.tag(&c, of); err != nil {
				return nil, err
			}
			tagged[name+"@"+c.Digest] = len(of.Added) > 0
		case at.Kind != ocipath.Revision || at.Digest == "" || len(of.Added) > 0 && (len(of.Removed) > 0 || tagged[name+"@"+at.Digest.String()]):
			continue // it was there, and is only written anew; or the tag says it
		default:
			c.What, c.Digest = "deleted", at.Digest.String()
			if len(of.Added) > 0 {
				c.What = "pushed"
				r.sign(&c, newestOf(of.Added))
			}
		}
		if c.At == nil && p.Heard != nil {
			c.By, c.Heard = r.authors.of(p.Heard.From), &p.Heard.At
		}
		all = append(all, c)
	}
	slices.Reverse(all)
	return all, nil
}

// tag fills in what became of a tag.
func (r *logReader) tag(c *LogChange, of pathmap.PastChange) error {
	before, err := r.recall(of.Removed)
	if err != nil {
		return err
	}
	r.conflicts.removed(of.Path, before)
	if len(of.Added) == 0 {
		c.What = "untagged"
		if len(before) > 0 {
			c.Digest = linkOf(newestOf(before))
		}
		return nil
	}
	for _, v := range before {
		if d := linkOf(v); d != "" && !slices.Contains(c.From, d) {
			c.From = append(c.From, d)
		}
	}
	set := newestOf(of.Added)
	c.Digest = linkOf(set)
	r.sign(c, set)
	switch {
	case len(c.From) == 0:
		c.What = "tagged"
	case len(c.From) == 1 && c.From[0] == c.Digest:
		c.What = "again"
	default:
		c.What = "moved"
	}
	c.Conflict = r.conflicts.of(r.ctx, of.Path, set)
	return nil
}

// recall reads what versions were that a delta removed.
func (r *logReader) recall(removed []pathmap.PastVersion) (all []pathmap.PastVersion, err error) {
	for _, v := range removed[:min(len(removed), mostTogether)] {
		was, err := r.s.paths.Recall(r.ctx, v)
		switch {
		case r.ctx.Err() != nil:
			return nil, r.ctx.Err()
		case err == nil:
			all = append(all, was)
		case !isForgotten(err):
			return nil, err
		}
	}
	return all, nil
}

// sign says who wrote a version, and when.
func (r *logReader) sign(c *LogChange, v pathmap.PastVersion) {
	c.By = r.authors.of(v.Writer)
	if v.Err == nil {
		c.At = timeOf(v)
	}
}

func timeOf(v pathmap.PastVersion) *time.Time { at := v.Entry.ModTime; return &at }

// linkOf is the digest that a version of a link names; "" when it cannot be read.
func linkOf(v pathmap.PastVersion) string {
	if v.Err != nil {
		return ""
	}
	return linked(v.Entry)
}

// newestOf is the version that wins over all others, of which there is one at least.
func newestOf(all []pathmap.PastVersion) pathmap.PastVersion {
	return slices.MaxFunc(all, func(a, b pathmap.PastVersion) int {
		if b.Wins(a) {
			return -1
		}
		return 1
	})
}
