package driver

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/exportdir"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// exportsAtOnce are the blobs that are written side by side.
const exportsAtOnce = 4

// exportTarget is what an export writes into: fsregistry.Writer, or ocilayout.Writer.
type exportTarget interface {
	HasBlob(d digest.Digest, size int64) bool
	PutBlob(d digest.Digest, from exportdir.Source) (shared bool, err error)
	Close() error
}

// exporting is one run of Export. What leads to bytes is written after them.
type exporting struct {
	*store
	to   exportTarget
	o    ExportOptions
	view pathmap.View
	busy digestLocks

	underway atomic.Int64 // bytes of blobs that are being written
	mu       sync.Mutex
	result   Export
	at       ExportProgress
	done     map[digest.Digest]bool // by the digests that were looked at: whether their bytes are there
}

func newExporting(s *store, o ExportOptions) *exporting {
	return &exporting{
		store: s, o: o, view: s.paths.View(), done: map[digest.Digest]bool{},
		result: Export{Dir: o.Dir, OCI: o.OCI, DryRun: o.DryRun, Running: !s.engine.Offline(), Faults: []ExportFault{}},
	}
}

func (ex *exporting) progress() ExportProgress {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	at, r := ex.at, ex.result
	at.Blobs = r.Written.Blobs + r.There.Blobs
	at.Bytes = r.Written.Bytes + r.There.Bytes + ex.underway.Load()
	at.Faults = r.FaultCount
	return at
}

// exportForm is how images are written: exportingTree, or exportingLayout.
type exportForm interface {
	repository(ctx context.Context, name string) error
	commit() error // after the last repository, unless nothing is to be written
}

// open opens what is written into.
func (ex *exporting) open() (exportForm, error) {
	if ex.o.OCI {
		return ex.openLayout()
	}
	return ex.openTree()
}

func (ex *exporting) run(ctx context.Context, as exportForm) error {
	if err := ex.survey(ctx); err != nil {
		return err
	}
	chosen := newChoice(ex.o.Repositories)
	err := ex.repositories(ctx, chosen, func(name string) error {
		ex.count(func(r *Export) { r.Repositories++ })
		return as.repository(ctx, name)
	})
	for _, name := range chosen.unmet() {
		err = cmp.Or(err, ex.fault(ctx, ocipath.Repository(name), "", errNotThere))
	}
	if err != nil || ex.o.DryRun {
		return err
	}
	return as.commit()
}

// repositories calls do with the name of each that is wanted.
func (ex *exporting) repositories(ctx context.Context, chosen *choice, do func(name string) error) error {
	for last, more := "", true; more; {
		var names []string
		names, more = repositoriesFrom(ex.view, mostNames, last, "")
		for _, name := range names {
			last = name
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if !chosen.has(name) {
				continue
			}
			if err := do(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// survey counts what there is to export, as far as the map says.
func (ex *exporting) survey(ctx context.Context) error {
	seen := map[digest.Digest]bool{}
	var at ExportProgress
	err := ex.repositories(ctx, newChoice(ex.o.Repositories), func(name string) error {
		ex.view.Under(ocipath.Repository(name), func(path string, e pathmap.Entry) bool {
			if !ocipath.Parse(path).IsLink() {
				return true
			}
			at.Of++
			d := digest.Digest(linked(e))
			if d == "" || seen[d] {
				return true
			}
			seen[d] = true
			if of, err := ex.view.Get(ocipath.BlobData(ocipath.Root, d)); err == nil {
				at.OfBlobs++
				at.OfBytes += of.Size
			}
			return true
		})
		return nil
	})
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.at = at
	return err
}

// count notes something in the result.
func (ex *exporting) count(note func(*Export)) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	note(&ex.result)
}

// looked counts a link that was looked at.
func (ex *exporting) looked() {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.at.Paths++
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
		return false, ex.lacks(ctx, link, d, err)
	}
	if ex.to.HasBlob(d, e.Size) {
		ex.is(d, func(r *Export) { r.There.add(e.Size) })
		return true, nil
	}
	shared := false
	if !ex.o.DryRun {
		if shared, err = ex.write(ctx, d, e); err != nil {
			if theirs, ok := errors.AsType[sourceFault](err); ok {
				return false, ex.lacks(ctx, link, d, theirs.error)
			}
			return false, err
		}
	}
	ex.is(d, func(r *Export) {
		r.Written.add(e.Size)
		if shared {
			r.Shared.add(e.Size)
		}
	})
	return true, nil
}

// lacks notes that the bytes of a digest cannot be had.
func (ex *exporting) lacks(ctx context.Context, link string, d digest.Digest, err error) error {
	if ctx.Err() == nil {
		ex.mu.Lock()
		ex.done[d] = false
		ex.mu.Unlock()
	}
	return ex.fault(ctx, link, d, err)
}

// is notes that the bytes of a digest are there now.
func (ex *exporting) is(d digest.Digest, note func(*Export)) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.done[d] = true
	note(&ex.result)
}

func (a *BlobAmount) add(size int64) {
	a.Blobs++
	a.Bytes += size
}

// sourceFault is why the bytes of a blob could not be had.
type sourceFault struct{ error }

// write writes a blob: of this registry's file, if that is whole, and else of what can be had.
func (ex *exporting) write(ctx context.Context, d digest.Digest, e pathmap.Entry) (shared bool, err error) {
	if f, err := ex.blobs.OpenQuietly(e.CID); err == nil {
		defer func() { _ = f.Close() }()
		shared, err = ex.writeFrom(ctx, d, f, f)
		if _, damaged := errors.AsType[sourceFault](err); !damaged {
			return shared, err
		}
	}
	body, err := ex.transfers.Open(ctx, refOf(e), 0) // which mends what is damaged
	if err != nil {
		return false, sourceFault{err}
	}
	defer func() { _ = body.Close() }()
	return ex.writeFrom(ctx, d, body, nil)
}

func (ex *exporting) writeFrom(ctx context.Context, d digest.Digest, r io.Reader, f *os.File) (shared bool, err error) {
	from := &exportReader{ctx: ctx, Reader: r, count: &ex.underway}
	defer from.uncount()
	shared, err = ex.to.PutBlob(d, exportdir.Source{Reader: from, File: f})
	if err != nil && (from.err != nil || errors.Is(err, exportdir.ErrOtherBytes)) {
		err = sourceFault{err}
	}
	return shared, err
}

// exportReader reads until a context ends, and counts what it reads. It remembers the error with which
// that failed, to tell it from one of who copies from it.
type exportReader struct {
	io.Reader
	ctx   context.Context
	count *atomic.Int64
	read  int64
	err   error
}

// Read implements io.Reader.
func (r *exportReader) Read(b []byte) (int, error) {
	if r.err = r.ctx.Err(); r.err != nil {
		return 0, r.err
	}
	n, err := r.Reader.Read(b)
	r.read += int64(n)
	r.count.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

func (r *exportReader) uncount() { r.count.Add(-r.read) }

// fault notes what could not be exported; the error is that of ctx.
func (ex *exporting) fault(ctx context.Context, path string, d digest.Digest, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	ex.mu.Lock()
	defer ex.mu.Unlock()
	listed(&ex.result.Faults, &ex.result.FaultCount, ExportFault{Path: path, Digest: d.String(), Reason: err.Error()})
	return nil
}
