package driver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/mark"
)

// CollectOptions are those of one collection of garbage. The zero value collects as the
// configuration says.
type CollectOptions struct {
	DryRun   bool           `json:"dry_run"`  // find garbage, and leave it
	Untagged bool           `json:"untagged"` // manifests without a tag are garbage, whatever gcuntagged says
	Grace    *time.Duration `json:"grace"`    // nanoseconds; nil: gcgrace
}

// Collection is what a collection of garbage did or, with DryRun, what it found.
type Collection struct {
	DryRun   bool          `json:"dry_run"`
	Grace    time.Duration `json:"grace"`     // nanoseconds, from finding garbage to deleting it
	Looked   GarbageCount  `json:"looked"`    // entries that were looked at
	Garbage  GarbageCount  `json:"garbage"`   // of these, what nothing live refers to
	Deleted  GarbageCount  `json:"deleted"`   // of this, for all registries
	Removed  RemovedBytes  `json:"removed"`   // from this registry's disk
	Unread   []Unread      `json:"unread"`    // the first manifests that could not be read here
	Unreads  int           `json:"unreads"`   // how many there are
	Left     time.Duration `json:"left"`      // nanoseconds until the rest of the garbage may be deleted; 0: there is none
	WaitsFor []Unheard     `json:"waits_for"` // without these nothing is deleted
}

// GarbageCount counts entries.
type GarbageCount struct {
	Repositories int   `json:"repositories"`
	Manifests    int   `json:"manifests"`
	Layers       int   `json:"layers"` // of blobs in repositories
	Blobs        int   `json:"blobs"`
	Bytes        int64 `json:"bytes"` // of these
}

// RemovedBytes is what was removed from a disk.
type RemovedBytes struct {
	Blobs int   `json:"blobs"`
	Bytes int64 `json:"bytes"`
}

// Unread is a manifest that could not be read here. What its repository refers to is kept.
type Unread struct {
	Path   string `json:"path"` // of its link
	Reason string `json:"reason"`
}

// Unheard is a member, or another registry that once wrote, that could not be asked whether
// its clients rely on garbage.
type Unheard struct {
	PeerID string `json:"peer_id"`
	Name   string `json:"name"` // "" when it is not known
	Reason string `json:"reason"`
}

// CollectProgress is how far a collection is.
type CollectProgress struct {
	Phase     string        `json:"phase"`
	Paths     int           `json:"paths"` // looked at
	Of        int           `json:"of"`    // paths
	Manifests int           `json:"manifests"`
	Left      time.Duration `json:"left"` // nanoseconds of the grace
}

// Collect deletes the entries to which nothing live refers, for all registries, and removes
// bytes that nothing names from this registry's disk. A collection has to find garbage twice,
// a grace apart, and to hear each member in between: with a grace of up to a minute Collect
// waits for that, with a longer one Left says when it may be called again; a registry with
// gc: true does by itself. progress is called now and then, from one goroutine at a time.
func (d *Driver) Collect(ctx context.Context, o CollectOptions, progress func(CollectProgress)) (Collection, error) {
	return d.store.collect(ctx, o, progress)
}

func (s *store) collect(ctx context.Context, o CollectOptions, progress func(CollectProgress)) (Collection, error) {
	grace := s.gcGrace
	if o.Grace != nil {
		grace = *o.Grace
	}
	if grace < 0 {
		return Collection{}, fmt.Errorf("a grace of %s is negative", grace)
	}
	report, err := s.engine.Garbage.Collect(ctx, sweep.Options{DryRun: o.DryRun, Untagged: o.Untagged || s.gcUntagged, Grace: grace},
		func(p sweep.Progress) {
			progress(CollectProgress{Phase: string(p.Phase), Paths: p.Paths, Of: p.Of, Manifests: p.Manifests, Left: p.Left})
		})
	switch {
	case !errors.Is(err, sweep.ErrReadOnly):
	case s.engine.Twinned() != "":
		err = errors.New(s.engine.Twinned())
	case s.engine.Joining():
		err = engine.ErrJoining
	}
	return s.collection(report), err
}

func (s *store) collection(r sweep.Report) Collection {
	c := Collection{
		DryRun: r.DryRun, Grace: r.Grace, Looked: countOf(r.All), Garbage: countOf(r.Unused), Deleted: countOf(r.Deleted),
		Removed: RemovedBytes(r.Removed), Unread: []Unread{}, Unreads: r.UnreadableCount, Left: r.Left,
	}
	for _, u := range r.Unreadable {
		c.Unread = append(c.Unread, Unread{Path: u.Path, Reason: u.Err.Error()})
	}
	c.WaitsFor = s.unheard(r.WaitsFor)
	return c
}

func (s *store) unheard(absent []sweep.Absent) []Unheard {
	all := []Unheard{}
	for _, a := range absent {
		all = append(all, Unheard{PeerID: a.PeerID, Name: s.engine.NameOf(a.PeerID), Reason: s.engine.WhyUnheard(a.PeerID, a.Why)})
	}
	return all
}

// GarbageStatus is what is known of garbage between two collections.
type GarbageStatus struct {
	Marked   int          `json:"marked"`    // entries to which nothing refers, found by this registry, that wait for their grace
	Unnamed  int          `json:"unnamed"`   // blobs on this disk that no entry names, as the last collection found
	Deleted  int          `json:"deleted"`   // manifests, layer links and blobs, by this registry since its start
	Removed  RemovedBytes `json:"removed"`   // from this disk since the start
	WaitsFor []Unheard    `json:"waits_for"` // whom the last collection could not ask, and without whom nothing goes
}

func (s *store) garbageStatus() GarbageStatus {
	g := s.engine.Garbage.State()
	return GarbageStatus{
		Marked: g.Marked, Unnamed: g.Unnamed, Deleted: g.Deleted, Removed: RemovedBytes(g.Removed), WaitsFor: s.unheard(g.WaitsFor),
	}
}

func countOf(s mark.Sums) GarbageCount { return GarbageCount(s) }
