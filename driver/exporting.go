package driver

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/fsregistry"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// exportsAtOnce are the blobs that are written side by side.
const exportsAtOnce = 4

// exporting is one run of Export. Links are written after what they lead to.
type exporting struct {
	*store
	to   *fsregistry.Writer
	o    ExportOptions
	view pathmap.View
	busy digestLocks

	mu     sync.Mutex
	result Export
	paths  int
	done   map[digest.Digest]bool // by the digests that were looked at: whether their bytes are there
}

func newExporting(s *store, to *fsregistry.Writer, o ExportOptions) *exporting {
	return &exporting{
		store: s, to: to, o: o, view: s.paths.View(), done: map[digest.Digest]bool{},
		result: Export{Dir: o.Dir, Running: !s.engine.Offline(), Faults: []ExportFault{}},
	}
}

func (ex *exporting) progress() ExportProgress {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	r := ex.result
	return ExportProgress{Paths: ex.paths, Of: ex.view.Len(), Blobs: r.Written.Blobs, Bytes: r.Written.Bytes, Faults: r.FaultCount}
}

func (ex *exporting) run(ctx context.Context) error {
	for last, more := "", true; more; {
		var names []string
		names, more = repositoriesFrom(ex.view, mostNames, last, "")
		for _, name := range names {
			last = name
			if !chosen(ex.o.Repositories, name) {
				continue
			}
			if err := ex.repository(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// repository exports one repository: its layers, then its manifests, then its tags.
func (ex *exporting) repository(ctx context.Context, name string) error {
	for _, part := range []string{"/_layers", "/_manifests/revisions", "/_manifests/tags"} {
		g, within := errgroup.WithContext(ctx)
		g.SetLimit(exportsAtOnce)
		ex.view.Under(ocipath.Repository(name)+part, func(path string, e pathmap.Entry) bool {
			g.Go(func() error { return ex.link(within, path, e) })
			return within.Err() == nil
		})
		if err := cmp.Or(g.Wait(), ctx.Err()); err != nil {
			return err
		}
	}
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.result.Repositories++
	return nil
}

// link exports a link, and what it leads to. The error is of what is written to; any other is a fault.
func (ex *exporting) link(ctx context.Context, path string, e pathmap.Entry) error {
	ex.mu.Lock()
	ex.paths++
	ex.mu.Unlock()
	if !ocipath.Parse(path).IsLink() {
		return nil
	}
	d, err := ex.target(ctx, e)
	if err != nil {
		return ex.fault(ctx, path, "", err)
	}
	if ok, err := ex.blob(ctx, path, d); err != nil || !ok {
		return err
	}
	written, err := ex.to.PutLink(path, d)
	if err == nil && written {
		ex.mu.Lock()
		defer ex.mu.Unlock()
		ex.result.Links++
	}
	return err
}

// target is the digest that a link holds.
func (ex *exporting) target(ctx context.Context, e pathmap.Entry) (digest.Digest, error) {
	content, ok := dag.InlineBytes(e.CID)
	if !ok {
		if !e.CID.Defined() {
			return "", pathmap.ErrNewerEntry
		}
		var err error
		if content, err = ex.readSmall(ctx, e); err != nil {
			return "", err
		}
	}
	return digest.Parse(string(content))
}

// blob exports the bytes of a digest to which a link leads; false when they cannot be had. The error
// is of what is written to.
func (ex *exporting) blob(ctx context.Context, link string, d digest.Digest) (ok bool, err error) {
	unlock, err := ex.busy.lock(ctx, d)
	if err != nil {
		return false, err
	}
	defer unlock()
	ex.mu.Lock()
	ok, done := ex.done[d]
	ex.mu.Unlock()
	if done {
		return ok, nil
	}
	e, err := ex.view.Get(ocipath.BlobData(ocipath.Root, d))
	if err != nil {
		return false, ex.fault(ctx, link, d, err)
	}
	if ex.to.HasBlob(d, e.Size) {
		ex.count(d, &ex.result.There, e.Size)
		return true, nil
	}
	body, err := ex.transfers.Open(ctx, refOf(e), 0)
	if err != nil {
		return false, ex.fault(ctx, link, d, err)
	}
	defer func() { _ = body.Close() }()
	from := &failing{Reader: body}
	err = ex.to.PutBlob(d, from)
	if err == nil {
		ex.count(d, &ex.result.Written, e.Size)
		return true, nil
	}
	if from.err == nil && !errors.Is(err, fsregistry.ErrOtherBytes) {
		return false, err
	}
	return false, ex.fault(ctx, link, d, err)
}

// failing remembers the error with which a reader failed, to tell it from one of who copies from it.
type failing struct {
	io.Reader
	err error
}

// Read implements io.Reader.
func (f *failing) Read(b []byte) (int, error) {
	n, err := f.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// count counts a blob that is there now.
func (ex *exporting) count(d digest.Digest, of *BlobAmount, size int64) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.done[d] = true
	of.Blobs++
	of.Bytes += size
}

// fault notes what could not be exported; the error is that of ctx.
func (ex *exporting) fault(ctx context.Context, path string, d digest.Digest, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.done[d] = false
	if ex.result.FaultCount++; len(ex.result.Faults) < mostListed {
		ex.result.Faults = append(ex.result.Faults, ExportFault{Path: path, Digest: d.String(), Reason: err.Error()})
	}
	return nil
}
