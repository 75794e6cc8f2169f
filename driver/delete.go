package driver

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// Delete implements storagedriver.StorageDriver. A manifest's revision is deleted together
// with the tags that name it, all at once, even when the client has hung up: distribution
// would delete them tag by tag. When they do not fit one delta the tags go first, so that
// none leads nowhere in between.
func (s *store) Delete(ctx context.Context, path string) error {
	if isLocal(path) {
		if keepsUpload(ctx) {
			return nil
		}
		return s.local.Delete(ctx, path)
	}
	if !s.engine.ReadOnly() {
		if err := s.awaitJoined(ctx); err != nil {
			return err
		}
	}
	if err := s.hearFirst(ctx); err != nil {
		return err
	}
	ops := deletes(s.paths.View(), path)
	if err := s.mayWrite(ctx); err != nil && len(ops) > 0 {
		return err
	}
	if err := s.paths.Check(ops...); err != nil {
		return newer(ctx, err) // before anything is deleted
	}
	errLocal := s.local.Delete(ctx, path) // uploads of the repository
	if len(ops) == 0 || errLocal != nil && !isNotFound(errLocal) {
		return errLocal
	}
	return s.write(context.WithoutCancel(ctx), ops...)
}

// hearFirst makes a client's delete see everything that any member acknowledged before it,
// because a delete removes only what its registry knows of. The members are asked once per
// request, before its first read, because distribution looks at a manifest before it
// deletes it.
func (s *store) hearFirst(ctx context.Context) error {
	r := requestOf(ctx)
	if !r.deletes() || s.engine.ReadOnly() {
		return nil
	}
	u := s.requests.underway(ctx)
	u.hear.Do(func() {
		if err := s.catchUp(ctx, func() bool { return false }); errors.Is(err, pathmap.ErrBehind) {
			u.heard = behind(ctx, err)
		} else {
			u.heard = err
		}
	})
	return u.heard
}

// deletes gives the ops that remove what lies at and below a path in a view; whatever is
// written there meanwhile survives.
func deletes(view pathmap.View, path string) []pathmap.Op {
	var ops []pathmap.Op
	under := func(path string) {
		view.Under(path, func(p string, _ pathmap.Entry) bool {
			ops = append(ops, pathmap.Op{Path: p, Seen: &view})
			return true
		})
	}
	under(path)
	for _, tag := range tagsOf(view, path) {
		under(tag)
	}
	slices.SortStableFunc(ops, func(a, b pathmap.Op) int { return cmp.Compare(deleteRank(a.Path), deleteRank(b.Path)) })
	return ops
}

// tagsOf gives the directories of the tags that name a manifest, which is named by the link
// of its revision; none for any other path. Links to the same manifest hold the same bytes.
func tagsOf(view pathmap.View, link string) []string {
	p := ocipath.Parse(link)
	revision, err := view.Get(link)
	if p.Kind != ocipath.Revision || err != nil {
		return nil
	}
	var tags []string
	view.Children(ocipath.Tags(p.Repository), "", func(tag pathmap.Child) bool {
		current, err := view.Get(ocipath.CurrentLink(p.Repository, path.Base(tag.Path)))
		if err == nil && current.CID == revision.CID {
			tags = append(tags, tag.Path)
		}
		return true
	})
	return tags
}

// deleteRank orders deletes so that a link goes before what it leads to. A tag's current
// link is the last of the tag's paths to go, because distribution lists a tag as long as
// any of them is left.
func deleteRank(path string) int {
	switch p := ocipath.Parse(path); {
	case p.Kind == ocipath.TagCurrent:
		return 1
	case p.Tag != "":
		return 0
	case p.Kind == ocipath.Revision:
		return 2
	case p.Kind == ocipath.Layer:
		return 3
	}
	return 4
}
