package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/mark"
)

// run is one collection. The collector's lock is held.
type run struct {
	*Collector
	Options
	progress func(Progress)
	report   Report
	late     time.Duration // for which a mark waits beyond its grace
	known    []string
}

func newRun(c *Collector, o Options, progress func(Progress)) *run {
	if progress == nil {
		progress = func(Progress) {}
	}
	return &run{Collector: c, Options: o, progress: progress, report: Report{Grace: o.Grace, DryRun: o.DryRun}}
}

// all deletes what is due, marks what is garbage now, and, when the grace is short, waits and
// deletes that as well, with its bytes.
func (r *run) all(ctx context.Context) error {
	err := r.paths(ctx)
	if err == nil && r.Grace <= MaxWait && len(r.marks) > 0 {
		if err = r.wait(ctx, r.marks[len(r.marks)-1].At.Add(r.Grace)); err == nil {
			err = r.entries(ctx)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err = errors.Join(err, r.bytes(ctx))
	if r.Grace > MaxWait || r.cfg.Bytes.Unnamed() == 0 {
		return err
	}
	if werr := r.wait(ctx, r.cfg.Clock.Now().Add(r.Grace/4)); werr != nil {
		return errors.Join(err, werr)
	}
	return errors.Join(err, r.bytes(ctx))
}

// paths deletes what is due, and marks what is garbage now.
func (r *run) paths(ctx context.Context) error {
	err := r.entries(ctx)
	if err == nil {
		err = r.remember(ctx)
	}
	return err
}

// wait waits until a moment.
func (r *run) wait(ctx context.Context, until lease.Moment) error {
	for {
		left := until.Sub(r.cfg.Clock.Now())
		if left <= 0 {
			return ctx.Err()
		}
		r.progress(Progress{Phase: Waiting, Left: left})
		select {
		case <-time.After(min(left+time.Millisecond, time.Second)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hear hears all known members once more, and those again that are busy.
func (r *run) hear(ctx context.Context, counter uint64) (err error) {
	if r.known, err = r.cfg.Hearings.Known(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, hearingTime)
	defer cancel()
	r.progress(Progress{Phase: Hearing})
	for busy := r.known; ; {
		r.cfg.Hearings.Hear(ctx, busy, counter)
		busy = slices.DeleteFunc(slices.Clone(busy), func(id string) bool {
			return !errors.Is(r.cfg.Hearings.Why(id), pathmap.ErrBusy)
		})
		if len(busy) == 0 {
			return nil
		}
		select {
		case <-time.After(hearAgain):
		case <-ctx.Done():
			return nil
		}
	}
}

// entries deletes what marks that are due have in common with the present.
func (r *run) entries(ctx context.Context) error {
	due := slices.DeleteFunc(slices.Clone(r.marks), func(m *lease.Mark) bool {
		return m.At.Add(r.Grace+r.late) > r.cfg.Clock.Now()
	})
	if len(due) == 0 {
		return nil
	}
	if err := r.hear(ctx, due[len(due)-1].Counter); err != nil {
		return err
	}
	heard := r.cfg.Hearings.Heard()
	for _, m := range due {
		if _, missing := m.Waits(r.cfg.Clock.Now(), r.Grace, slices.Values(r.known), heard); len(missing) > 0 {
			r.report.wait(missing, r.cfg.Hearings.Why)
			return nil // later marks wait for them, too
		}
	}
	unheard := lease.Unheard(r.known, r.cfg.Paths.Merged())
	view := r.cfg.Paths.View()
	found, err := r.look(ctx, view)
	if err != nil {
		return err
	}
	return r.delete(ctx, due, found, view, unheard)
}

// look finds what nothing live refers to in a view.
func (r *run) look(ctx context.Context, view pathmap.View) (*mark.Result, error) {
	found, err := mark.Mark(ctx, view, mark.Options{
		Read: r.cfg.Read, Untagged: r.Untagged, Cache: r.cache,
		Progress: func(p mark.Progress) {
			r.progress(Progress{Phase: Marking, Paths: p.Paths, Of: p.Of, Manifests: p.Manifests})
		},
	})
	if err != nil {
		return nil, err
	}
	if r.report.All == (mark.Sums{}) { // as it was before anything was deleted
		r.report.All, r.report.Unused = found.All, found.Unused
	}
	r.report.Unreadable, r.report.UnreadableCount = found.Unreadable, found.UnreadableCount
	return found, nil
}

// remember makes a first mark of what is garbage now, if there is more than in earlier ones.
func (r *run) remember(ctx context.Context) error {
	if len(r.marks) >= maxMarks {
		return nil
	}
	view, counter := r.cfg.Paths.Cut()
	at := r.cfg.Clock.Now() // no sooner: who is asked later was asked after the view was taken
	found, err := r.look(ctx, view)
	if err != nil {
		return err
	}
	m := lease.NewMark(at, counter, fresh(versions(view, found), r.marks))
	if len(m.Unused) > 0 {
		r.marks = append(r.marks, m)
	}
	r.keep()
	return nil
}

// keep writes the marks down, and reports when the last of them is due. A disk that is full
// holds nothing up.
func (r *run) keep() {
	r.report.Left = r.left()
	if err := r.save(); err != nil {
		r.cfg.Log.WithError(err).Debug("the marks of garbage are not on disk: after a restart they are made anew")
	}
}

// left is the time until all that is marked may be deleted.
func (r *run) left() time.Duration {
	if len(r.marks) == 0 {
		return 0
	}
	return max(0, r.marks[len(r.marks)-1].At.Add(r.Grace).Sub(r.cfg.Clock.Now()))
}

// delete deletes what the marks have, and forgets them.
func (r *run) delete(ctx context.Context, due []*lease.Mark, found *mark.Result, view pathmap.View, unheard map[string]uint64) error {
	var ops []pathmap.Op
	for path, versions := range versions(view, found) {
		if marked(due, path, versions) {
			ops = append(ops, pathmap.Op{Path: path, Seen: &view})
		}
	}
	if len(ops) > 0 {
		records, err := records(view, unheard)
		if err != nil {
			return err
		}
		if err := r.cfg.Paths.Write(context.WithoutCancel(ctx), append(records, ops...)...); err != nil {
			return fmt.Errorf("delete garbage: %w", err)
		}
		for _, op := range ops {
			r.report.deleted(op.Path, view)
		}
	}
	r.marks = slices.DeleteFunc(r.marks, func(m *lease.Mark) bool { return slices.Contains(due, m) })
	r.keep()
	return nil
}

// records say beside the deletes which writers were not waited for.
func records(view pathmap.View, unheard map[string]uint64) (ops []pathmap.Op, err error) {
	for id, counter := range unheard {
		op, err := view.RecordUnheard(id, counter)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// bytes removes from the disk what no entry names.
func (r *run) bytes(ctx context.Context) error {
	if !r.cfg.Complete() {
		return nil
	}
	if err := r.writeAnew(ctx); err != nil { // before the bytes go that it needs
		return err
	}
	if err := r.hear(ctx, 0); err != nil {
		return err
	}
	now, heard := r.cfg.Clock.Now(), r.cfg.Hearings.Heard()
	r.progress(Progress{Phase: Removing})
	removed, err := r.cfg.Bytes.Sweep(ctx, r.cfg.Paths.View, now, func(last lease.Moment) bool {
		return lease.BytesMayGo(last, r.cfg.Clock.Now(), r.Grace, slices.Values(r.known), heard)
	})
	r.report.Removed.Blobs += removed.Blobs
	r.report.Removed.Bytes += removed.Bytes
	if r.cfg.Bytes.Unnamed() > 0 {
		r.report.wait(r.cfg.Hearings.missing(r.known), r.cfg.Hearings.Why)
	}
	return err
}

// deleted counts a path that goes.
func (r *Report) deleted(path string, view pathmap.View) {
	switch p := ocipath.Parse(path); p.Kind {
	case ocipath.Revision:
		r.Deleted.Manifests++
	case ocipath.Layer:
		r.Deleted.Layers++
	case ocipath.Blob:
		r.Deleted.Blobs++
		if e, err := view.Get(path); err == nil {
			r.Deleted.Bytes += e.Size
		}
	}
}
