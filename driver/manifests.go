package driver

import (
	"context"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

const (
	manifestsAtOnce   = 4    // fetched at the same time
	maxManifests      = 4096 // that are remembered one by one
	manifestTimeout   = time.Minute
	manifestRetryMin  = time.Second
	manifestRetryMost = 10 * time.Minute
)

// manifestFetcher brings the manifests, indexes and configs of the swarm here when their
// entries arrive: a tag still resolves when the registry that it was pushed to is gone. It
// works in the background, on few manifests at a time, and leaves a registry that joins
// others alone until it has caught up with them. A manifest that cannot be fetched is tried
// again, less and less often, and soon after a member appears.
type manifestFetcher struct {
	s      *store // from start on
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	wake   chan struct{} // there is something new
	lacks  chan struct{} // there is something to try again

	retries retries

	mu     sync.Mutex
	fresh  []string        // paths of revision links
	failed map[string]bool // likewise
	all    bool            // there were too many: the whole map is looked through
	warned bool
}

func newManifestFetcher() *manifestFetcher {
	f := &manifestFetcher{
		wake: make(chan struct{}, 1), lacks: make(chan struct{}, 1), retries: newRetries(manifestRetryMin, manifestRetryMost),
		failed: map[string]bool{}, all: true, // entries that came before this start
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

func (f *manifestFetcher) start(s *store) {
	f.s = s
	for range manifestsAtOnce {
		f.wg.Go(f.work)
	}
	f.wg.Go(f.retry)
}

// stop ends what is under way and waits for it.
func (f *manifestFetcher) stop() {
	f.cancel()
	f.wg.Wait()
}

// added takes paths that gained an entry by a change of another registry. It never blocks.
func (f *manifestFetcher) added(paths []string) {
	f.mu.Lock()
	for _, p := range paths {
		if !isRevision(p) {
			continue
		}
		if len(f.fresh) == maxManifests {
			f.all = true
			poke(f.lacks)
			break
		}
		f.fresh = append(f.fresh, p)
	}
	any := len(f.fresh) > 0
	f.mu.Unlock()
	if any {
		poke(f.wake)
	}
}

// joined makes failed manifests be tried again, because a member has just appeared.
func (f *manifestFetcher) joined() { f.retries.hurry() }

// awaitJoined waits until the map is as other registries know it; false when the fetcher
// stops.
func (f *manifestFetcher) awaitJoined() bool {
	if f.s.engine.Joins() {
		select {
		case <-f.s.paths.CaughtUp():
		case <-f.ctx.Done():
		}
	}
	return f.ctx.Err() == nil
}

// work fetches what is new.
func (f *manifestFetcher) work() {
	if !f.awaitJoined() {
		return
	}
	for {
		link, ok := f.next()
		if !ok {
			select {
			case <-f.wake:
				continue
			case <-f.ctx.Done():
				return
			}
		}
		f.try(link)
	}
}

func (f *manifestFetcher) next() (link string, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.fresh) == 0 || f.ctx.Err() != nil {
		return "", false
	}
	link, f.fresh = f.fresh[0], f.fresh[1:]
	if len(f.fresh) > 0 {
		poke(f.wake)
	}
	return link, true
}

// try fetches what a revision link leads to, and remembers when that failed.
func (f *manifestFetcher) try(link string) {
	err := f.fetch(link)
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.failed, link)
	switch {
	case err == nil || f.ctx.Err() != nil:
		return
	case len(f.failed) == maxManifests:
		f.all = true
	default:
		f.failed[link] = true
	}
	poke(f.lacks)
	f.s.log.WithError(err).WithField("path", link).Debug("a manifest is not here yet: it is fetched later")
}

// retry tries failed manifests again, and looks through the whole map when there were too
// many to remember; it begins when a member has been met after the start.
func (f *manifestFetcher) retry() {
	select {
	case <-f.s.paths.Met():
	case <-f.ctx.Done():
	}
	if !f.awaitJoined() {
		return
	}
	f.retries.run(f.ctx, func() (lacking bool) {
		f.awaitLacking()
		f.again()
		return f.complain()
	})
}

// awaitLacking waits until there is something to try again, and a little longer.
func (f *manifestFetcher) awaitLacking() {
	for f.ctx.Err() == nil {
		f.mu.Lock()
		lacking := f.all || len(f.failed) > 0
		f.warned = f.warned && lacking
		f.mu.Unlock()
		if lacking {
			return
		}
		select {
		case <-f.lacks:
			f.retries.settle(f.ctx)
		case <-f.ctx.Done():
		}
	}
}

func (f *manifestFetcher) again() {
	f.mu.Lock()
	all, failed := f.all, f.failed
	f.all, f.failed = false, map[string]bool{}
	f.mu.Unlock()
	var g errgroup.Group
	g.SetLimit(manifestsAtOnce)
	run := func(link string) bool {
		g.Go(func() error { f.try(link); return nil })
		return f.ctx.Err() == nil
	}
	for link := range failed {
		if !run(link) {
			break
		}
	}
	if all {
		f.s.paths.View().Under("/", func(p string, _ pathmap.Entry) bool {
			if isRevision(p) {
				return run(p)
			}
			return f.ctx.Err() == nil
		})
	}
	_ = g.Wait() // nothing in it fails
}

// complain logs once that manifests cannot be fetched, until all are here again; it reports
// whether some are lacking.
func (f *manifestFetcher) complain() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	lacking := len(f.failed)
	if lacking > 0 && !f.warned && f.ctx.Err() == nil {
		f.s.log.WithFields(logrus.Fields{"manifests": lacking}).Warn(
			"manifests pushed to other registries cannot be fetched now: tags that name them do not resolve here until a registry that holds them is back")
	}
	f.warned = lacking > 0
	return lacking > 0
}

// fetch brings the manifest here that a revision link leads to, and its config.
func (f *manifestFetcher) fetch(link string) error {
	p := ocipath.Parse(link)
	ctx, cancel := context.WithTimeout(f.ctx, manifestTimeout)
	defer cancel()
	e, err := f.bring(ctx, p.Root, p.Digest)
	if err != nil || e.Size > smallBlob {
		return err
	}
	config, err := f.configOf(ctx, e)
	if err != nil || config == "" {
		return err
	}
	_, err = f.bring(ctx, p.Root, config)
	return err
}

// bring fetches a small blob, if possible from the registry to which it was pushed. A blob
// that has no entry, no longer or not yet, is not fetched.
func (f *manifestFetcher) bring(ctx context.Context, root string, d digest.Digest) (pathmap.Entry, error) {
	data := ocipath.BlobData(root, d)
	view := f.s.paths.View()
	e, err := view.Get(data)
	if err != nil || e.Size > smallBlob {
		return pathmap.Entry{Size: smallBlob + 1}, nil
	}
	return e, f.s.engine.FetchFrom(ctx, refOf(e), view.Writer(data))
}

// configOf reads the digest of an image's config out of its manifest; none when that is an
// index, or names no config.
func (f *manifestFetcher) configOf(ctx context.Context, e pathmap.Entry) (digest.Digest, error) {
	m, err := f.s.readManifest(ctx, e)
	if err != nil || m.Config.Validate() != nil {
		return "", err
	}
	return m.Config, nil
}

// isRevision reports whether a path is the link of a manifest, with a digest that is one.
func isRevision(path string) bool {
	p := ocipath.Parse(path)
	return p.Kind == ocipath.Revision && p.Digest != ""
}
