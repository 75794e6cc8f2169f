package driver

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/backlog"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

const (
	manifestsAtOnce   = 4 // fetched at the same time
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
	s *store // from start on
	*backlog.Backlog
}

func newManifestFetcher() *manifestFetcher {
	f := &manifestFetcher{}
	f.Backlog = backlog.New(backlog.Config{
		AtOnce: manifestsAtOnce, Least: manifestRetryMin, Most: manifestRetryMost,
		Try: f.try, Walk: f.walk, Fails: f.complain,
		Ready: func(ctx context.Context) { f.s.engine.AwaitCaughtUp(ctx) },
		Met: func(ctx context.Context) {
			select {
			case <-f.s.paths.Met():
			case <-ctx.Done():
			}
		},
	})
	f.All() // entries that came before this start
	return f
}

func (f *manifestFetcher) start(s *store) {
	f.s = s
	f.Start()
}

// added takes paths that gained an entry by a change of another registry. It never blocks.
func (f *manifestFetcher) added(paths []string) {
	var links []string
	for _, p := range paths {
		if isRevision(p) {
			links = append(links, p)
		}
	}
	f.Add(links)
}

func (f *manifestFetcher) walk(ctx context.Context, try func(link string) bool) bool {
	f.s.paths.View().Under("/", func(p string, _ pathmap.Entry) bool {
		if isRevision(p) {
			return try(p)
		}
		return ctx.Err() == nil
	})
	return true
}

// try fetches what a revision link leads to.
func (f *manifestFetcher) try(ctx context.Context, link string) error {
	err := f.fetch(ctx, link)
	if err != nil && ctx.Err() == nil {
		f.s.log.WithError(err).WithField("path", link).Debug("a manifest is not here yet: it is fetched later")
	}
	return err
}

// complain logs once that manifests cannot be fetched, until all are here again.
func (f *manifestFetcher) complain(lacking int) {
	f.s.log.WithFields(logrus.Fields{"manifests": lacking}).Warn(
		"manifests pushed to other registries cannot be fetched now: tags that name them do not resolve here until a registry that holds them is back")
}

// fetch brings the manifest here that a revision link leads to, and its config.
func (f *manifestFetcher) fetch(ctx context.Context, link string) error {
	p := ocipath.Parse(link)
	ctx, cancel := context.WithTimeout(ctx, manifestTimeout)
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
