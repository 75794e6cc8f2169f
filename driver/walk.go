package driver

import (
	"context"
	"errors"
	"path"
	"strings"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// Walk implements storagedriver.StorageDriver: depth first, by component, each
// directory before what it holds. It sees the map as it was at the start, and
// seeks to StartAfterHint.
func (s *store) Walk(ctx context.Context, from string, f storagedriver.WalkFn, options ...func(*storagedriver.WalkOptions)) error {
	var opts storagedriver.WalkOptions
	for _, o := range options {
		o(&opts)
	}
	if isLocal(from) {
		return s.local.Walk(ctx, from, f, options...)
	}
	if err := s.mayList(ctx); err != nil {
		return err
	}
	w := &walk{s: s, view: s.paths.View(), f: f}
	if from != "/" && !w.view.IsDir(from) && !s.hasLocalDir(from) {
		if walksEmpty(from) || s.hasNoTags(from) {
			return nil
		}
		return notFound(from)
	}
	hint, ok := startBelow(from, opts.StartAfterHint)
	if !ok {
		return nil
	}
	err := w.below(ctx, from, hint)
	if errors.Is(err, storagedriver.ErrFilledBuffer) {
		return nil
	}
	return err
}

// startBelow gives the components of the hint below from; false when the hint comes after
// everything there.
func startBelow(from, hint string) (components []string, ok bool) {
	prefix := strings.TrimSuffix(from, "/") + "/"
	if hint == "" || hint == from {
		return nil, true
	}
	if rest, below := strings.CutPrefix(hint, prefix); below {
		return strings.Split(rest, "/"), true
	}
	order := func(p string) string { return strings.ReplaceAll(p, "/", "\x00") }
	return nil, order(hint) < order(from)
}

type walk struct {
	s    *store
	view pathmap.View
	f    storagedriver.WalkFn
}

// below walks what comes after the hint in dir: first down along the components of the hint
// to the deepest, then what comes after each of them.
func (w *walk) below(ctx context.Context, dir string, hint []string) error {
	after := ""
	if len(hint) > 0 {
		after = hint[0]
		next := path.Join(dir, after)
		if err := w.behind(ctx, next, hint[1:]); err != nil {
			return err
		}
	}
	var failed error
	err := w.s.children(dir, after, w.view, func(c child) bool {
		failed = w.visit(ctx, c)
		return failed == nil
	})
	if err != nil {
		return err
	}
	return failed
}

// behind walks what a component of the hint holds: the component itself was reported, what
// comes after the rest of the hint was not.
func (w *walk) behind(ctx context.Context, dir string, hint []string) error {
	if isLocal(dir) {
		return w.local(ctx, dir, path.Join(append([]string{dir}, hint...)...))
	}
	return w.below(ctx, dir, hint)
}

// local walks a directory that only this registry has. The local driver gives no sign that
// a caller has ended the walk.
func (w *walk) local(ctx context.Context, dir, hint string) error {
	filled := false
	err := w.s.local.Walk(ctx, dir, func(info storagedriver.FileInfo) error {
		if filled { // it goes on beside a hint's parents
			return storagedriver.ErrFilledBuffer
		}
		err := w.f(info)
		filled = errors.Is(err, storagedriver.ErrFilledBuffer)
		return err
	}, storagedriver.WithStartAfterHint(hint))
	if filled {
		return storagedriver.ErrFilledBuffer
	}
	if isNotFound(err) {
		return nil // deleted meanwhile
	}
	return err
}

func (w *walk) visit(ctx context.Context, c child) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	info := fileInfo(c.path, c.entry)
	if c.dir {
		info = dirInfo(c.path)
	}
	err := w.f(info)
	switch {
	case errors.Is(err, storagedriver.ErrSkipDir):
		return nil
	case err != nil || !c.dir:
		return err
	case isLocal(c.path):
		return w.local(ctx, c.path, "")
	}
	return w.below(ctx, c.path, nil)
}
