package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/fsregistry"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

const (
	// batchLinks and batchBytes bound what is imported with one change of the map: what comes from
	// the disk again when the import is killed.
	batchLinks = 64
	batchBytes = 16 << 20
	// repositoriesAtOnce are read side by side.
	repositoriesAtOnce = 8
)

// importing is one run of Import. What it writes is written like a push: bytes are safe on disk
// before they have an entry, a manifest comes after all that it names, and a tag after its manifest;
// and what was here already is renewed with what comes to rely on it.
type importing struct {
	*store
	tree  *fsregistry.Tree
	o     ImportOptions
	turns *semaphore.Weighted // of batches
	busy  digestLocks

	underway atomic.Int64 // bytes that were read, and are not counted in the result yet
	mu       sync.Mutex
	result   Import
	at       ImportProgress
}

func newImporting(s *store, tree *fsregistry.Tree, o ImportOptions) *importing {
	return &importing{
		store: s, tree: tree, o: o, turns: semaphore.NewWeighted(int64(max(2, runtime.GOMAXPROCS(0)))),
		result: Import{Root: o.Root, DryRun: o.DryRun, KeptTags: []KeptTag{}, Faults: []ImportFault{}},
	}
}

func (im *importing) progress() ImportProgress {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.at.Blobs, im.at.Bytes, im.at.Faults = im.result.Taken.Blobs, im.result.Taken.Bytes+im.underway.Load(), im.result.FaultCount
	return im.at
}

func (im *importing) run(ctx context.Context) error {
	if why := im.engine.WhyReadOnly(); why != "" {
		return fmt.Errorf("this registry takes no pushes, since %s: the others would drop what it imports; import at one that does", why)
	}
	if err := im.mayWrite(ctx); err != nil {
		return err
	}
	if err := im.awaitJoined(ctx); err != nil { // what is here already is in the map by then
		return err
	}
	found, err := im.survey(ctx)
	if err != nil || im.o.DryRun {
		im.result = found
		return err
	}
	im.mu.Lock()
	im.at.Of, im.at.OfBytes = found.Taken.Blobs, found.Taken.Bytes
	im.mu.Unlock()
	if err := im.engine.SettleHash(ctx); err != nil {
		return err
	}
	return im.repositories(ctx)
}

// repositories imports all that are wanted, some side by side.
func (im *importing) repositories(all context.Context) error {
	g, ctx := errgroup.WithContext(all)
	g.SetLimit(repositoriesAtOnce)
	chosen := newChoice(im.o.Repositories)
	for name, err := range im.tree.Repositories() {
		if ctx.Err() != nil {
			break
		}
		if err == nil && !chosen.has(name) {
			continue
		}
		if err = cmp.Or(err, checkName(name, "")); err != nil {
			im.fault(fsregistry.Link{Path: ocipath.Repository(name)}, err)
			continue
		}
		g.Go(func() error { return im.repository(ctx, name) })
	}
	for _, name := range chosen.unmet() {
		im.fault(fsregistry.Link{Path: ocipath.Repository(name)}, errNotThere)
	}
	return cmp.Or(g.Wait(), all.Err())
}

// choice is of the repositories that were named, and of those below them; when none was, it is of all. It is for one
// goroutine.
type choice struct {
	named []string
	met   map[string]bool // of these, those of which one repository was looked at
}

func newChoice(named []string) *choice { return &choice{named, map[string]bool{}} }

// has reports whether a repository is one of them.
func (c *choice) has(name string) bool {
	ok := len(c.named) == 0
	for _, of := range c.named {
		if name == of || strings.HasPrefix(name, of+"/") {
			ok, c.met[of] = true, true
		}
	}
	return ok
}

// errNotThere is of a name that was given for a repository, and is of none.
var errNotThere = errors.New("there is no such repository, and none below it: look for a mistake in its name")

// unmet are those that were named, and are not there.
func (c *choice) unmet() (names []string) {
	for _, name := range c.named {
		if !c.met[name] {
			names = append(names, name)
		}
	}
	return names
}

// checkName fails for the name of a repository, or of a tag in it, that no client can ask for: a registry
// would not have made it, and this one could not serve it, or not even write it. No tag is "".
func checkName(repository, tag string) error {
	of, err := reference.WithName(repository)
	if err == nil && !storagedriver.PathRegexp.MatchString("/"+repository) {
		err = reference.ErrNameNotCanonical
	}
	if err == nil && tag != "" {
		_, err = reference.WithTag(of, tag)
	}
	if err != nil {
		return fmt.Errorf("no registry has such a name, rename or remove its directory: %w", err)
	}
	return nil
}

// kinds are the kinds of links, each after those that it relies on.
var kinds = []ocipath.Kind{ocipath.Layer, ocipath.Revision, ocipath.TagIndex, ocipath.TagCurrent}

// repository imports one repository.
func (im *importing) repository(ctx context.Context, name string) error {
	for _, kind := range kinds {
		if err := im.links(ctx, im.tree.Links(name, kind)); err != nil {
			return err
		}
	}
	im.mu.Lock()
	defer im.mu.Unlock()
	im.result.Repositories++
	return nil
}

// links imports links in batches, side by side, and waits for all.
func (im *importing) links(ctx context.Context, links iter.Seq2[fsregistry.Link, error]) error {
	g, ctx := errgroup.WithContext(ctx)
	var batch []fsregistry.Link
	var size int64
	send := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := im.turns.Acquire(ctx, 1); err != nil {
			return err
		}
		of := batch
		batch, size = nil, 0
		g.Go(func() error {
			defer im.turns.Release(1)
			return im.write(ctx, of)
		})
		return nil
	}
	for link, err := range links {
		if ctx.Err() != nil {
			break
		}
		im.look(link, err)
		if err != nil {
			continue
		}
		batch = append(batch, link)
		if size += im.sizeOf(link.Digest); len(batch) == batchLinks || size >= batchBytes {
			if err := send(); err != nil {
				break
			}
		}
	}
	err := send()
	return cmp.Or(g.Wait(), err)
}

// look counts a link that was read, or could not be.
func (im *importing) look(link fsregistry.Link, err error) {
	im.mu.Lock()
	im.at.Links++
	im.mu.Unlock()
	if err != nil {
		im.fault(link, err)
	}
}

// sizeOf is how many bytes the other registry has of a digest; 0 when it has none.
func (im *importing) sizeOf(d digest.Digest) int64 {
	f, err := im.tree.Blob(d)
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// fault notes what could not be imported.
func (im *importing) fault(link fsregistry.Link, err error) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.result.fault(link, err)
}

func (r *Import) fault(link fsregistry.Link, err error) {
	listed(&r.Faults, &r.FaultCount, ImportFault{Path: link.Path, Digest: link.Digest.String(), Reason: err.Error()})
}

func (r *Import) keep(link fsregistry.Link, here digest.Digest) {
	tag := ocipath.Parse(link.Path).Tag
	listed(&r.KeptTags, &r.KeptTagCount, KeptTag{Repository: link.Repository, Tag: tag, Here: here.String(), There: link.Digest.String()})
}

// verdict is what is done about a link.
type verdict int

const (
	fresh    verdict = iota // it is imported
	standing                // it is here, with what it leads to
	later                   // a tag that was set here later
)

// judge says what is done about a link. elsewhere says what of an entry whose bytes are not here.
func (im *importing) judge(link fsregistry.Link, elsewhere func(pathmap.Entry) bool) (v verdict, here digest.Digest, err error) {
	view := im.paths.View()
	old, err := view.Get(link.Path)
	if errors.Is(err, pathmap.ErrNotFound) {
		return fresh, "", nil
	}
	if err != nil {
		return fresh, "", err
	}
	here = digest.Digest(linked(old))
	if here != link.Digest {
		if link.Kind == ocipath.TagCurrent && !link.ModTime.After(old.ModTime) {
			return later, here, nil
		}
		return fresh, here, nil
	}
	has, err := im.has(view, link.Digest, elsewhere)
	if has {
		return standing, here, err
	}
	return fresh, here, err
}

// has reports whether a digest has an entry, and bytes: here, or elsewhere.
func (im *importing) has(view pathmap.View, d digest.Digest, elsewhere func(pathmap.Entry) bool) (bool, error) {
	e, err := view.Get(ocipath.BlobData(ocipath.Root, d))
	if errors.Is(err, pathmap.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	here, err := im.store.look(e)
	return here || err == nil && elsewhere(e), err
}

// survey counts what an import would take, without reading it.
func (im *importing) survey(ctx context.Context) (Import, error) {
	found := im.result
	taken := map[digest.Digest]bool{}
	somewhere := func(pathmap.Entry) bool { return true } // or a member would be asked for each
	links, chosen := 0, newChoice(im.o.Repositories)
	for name, err := range im.tree.Repositories() {
		if err == nil && !chosen.has(name) {
			continue
		}
		if err = cmp.Or(err, checkName(name, "")); err != nil {
			found.fault(fsregistry.Link{Path: ocipath.Repository(name)}, err)
			continue
		}
		found.Repositories++
		for _, kind := range kinds {
			for link, err := range im.tree.Links(name, kind) {
				if ctx.Err() != nil {
					return found, ctx.Err()
				}
				links++
				if err == nil {
					err = im.surveyLink(&found, taken, link, somewhere)
				}
				if err != nil {
					found.fault(link, err)
				}
			}
		}
	}
	for _, name := range chosen.unmet() {
		found.fault(fsregistry.Link{Path: ocipath.Repository(name)}, errNotThere)
	}
	im.mu.Lock()
	im.at.OfLinks = links
	im.mu.Unlock()
	return found, nil
}

func (im *importing) surveyLink(found *Import, taken map[digest.Digest]bool, link fsregistry.Link, elsewhere func(pathmap.Entry) bool) error {
	if err := checkName(link.Repository, ocipath.Parse(link.Path).Tag); err != nil {
		return err
	}
	v, here, err := im.judge(link, elsewhere)
	if err != nil {
		return err
	}
	switch v {
	case standing:
		found.Here++
		return nil
	case later:
		found.keep(link, here)
		return nil
	}
	has, err := im.has(im.paths.View(), link.Digest, elsewhere)
	if err != nil {
		return err
	}
	if !has && !taken[link.Digest] {
		f, err := im.tree.Blob(link.Digest)
		if errors.Is(err, fs.ErrNotExist) {
			return found.missing(link)
		}
		if err != nil {
			return err
		}
		_ = f.Close()
		taken[link.Digest] = true
		found.Taken.Blobs++
		found.Taken.Bytes += im.sizeOf(link.Digest)
	}
	found.set(link)
	return nil
}

// errGone is a link that leads to nothing in the other registry.
var errGone = errors.New("the other registry has no bytes of it")

// missing counts a link to bytes that the other registry does not have: a collection of garbage
// leaves links to layers. The error is of one that it needs.
func (r *Import) missing(link fsregistry.Link) error {
	if link.Kind == ocipath.Layer || link.Kind == ocipath.TagIndex {
		r.Dangling++
		return nil
	}
	return errGone
}

// set counts a link that is new.
func (r *Import) set(link fsregistry.Link) {
	switch link.Kind {
	case ocipath.Revision:
		r.Manifests++
	case ocipath.TagCurrent:
		r.Tags++
	}
}

// digestLocks let one goroutine at a time work on a digest. Who holds several locked them in
// their order.
type digestLocks struct {
	mu   sync.Mutex
	held map[digest.Digest]chan struct{}
}

// lock waits until nobody works on a digest, or until ctx ends.
func (l *digestLocks) lock(ctx context.Context, d digest.Digest) (unlock func(), err error) {
	for {
		l.mu.Lock()
		if l.held == nil {
			l.held = map[digest.Digest]chan struct{}{}
		}
		other, taken := l.held[d]
		if !taken {
			free := make(chan struct{})
			l.held[d] = free
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				delete(l.held, d)
				close(free)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
