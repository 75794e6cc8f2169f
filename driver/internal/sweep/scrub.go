package sweep

import (
	"context"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

const (
	scrubPage = 1000             // blobs listed in one go
	scrubSave = 10 * time.Minute // what a kill makes a scrub read again, at most
	scrubLook = time.Minute      // the clock is looked at so often, since it may be set
	// What a lap has left is counted anew after this part of the interval, because blobs come
	// and go.
	scrubCount = 100
)

// ScrubConfig is what a scrub is made of.
type ScrubConfig struct {
	Blobs    *blob.Store
	Interval time.Duration // in which each blob is read once; 0: there is no scrub
	File     string        // where its position is kept
	// Wanted reports whether a blob whose file is lost is to be fetched again.
	Wanted func(cid.Cid) bool
	// Tables reads the metadata once, slowly, and names the files of it that are damaged.
	Tables func(context.Context) ([]string, error)
	Log    *logrus.Entry
}

// Scrub reads each blob of this disk once in an interval, and compares it with its CID. What is
// damaged is set aside (see blob.Store.Rotten), and is mended by others. It is safe for
// concurrent use.
type Scrub struct {
	cfg    ScrubConfig
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	// What only its goroutine uses.
	saved   time.Time
	counted time.Time

	mu   sync.Mutex
	lap  lap
	pace pace
	done ScrubState
}

// ScrubState is what a scrub has done, and how far it is.
type ScrubState struct {
	Interval time.Duration // 0: there is no scrub
	Began    time.Time     // of the present lap
	Share    float64       // of the present lap that is done, from 0 to 1
	Ended    *time.Time    // when a lap had last read all; nil: none has
	Blobs    int64         // read to their end since the start
	Bytes    int64         // read since the start
	Damaged  int           // blobs found to be damaged since the start
	Lost     int           // blobs found to have no file, likewise
	Recorded int           // files without a record that were whole blobs, likewise
	Strays   int           // files that are no blobs, as was found last
	Tables   []string      // files of metadata that are damaged, likewise
	Unread   int           // blobs that could not be read, though the disk reported no damage
}

// NewScrub makes a scrub, which goes on where an earlier run was. It does nothing before Start.
func NewScrub(cfg ScrubConfig) *Scrub {
	s := &Scrub{cfg: cfg}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	now, err := time.Now(), error(nil)
	if s.lap, err = readLap(cfg.File, now); err != nil {
		cfg.Log.WithError(err).Debug("the scrub begins anew")
	}
	s.pace = pace{interval: cfg.Interval, last: now}
	s.saved = now
	return s
}

// Start begins to read.
func (s *Scrub) Start() {
	if s.cfg.Interval > 0 {
		s.wg.Go(s.run)
	}
}

// Close ends reading, and waits for it. It may be called again, and without Start.
func (s *Scrub) Close() {
	s.cancel()
	s.wg.Wait()
}

// State is how far it is.
func (s *Scrub) State() ScrubState {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.done
	now.Interval, now.Began, now.Ended, now.Share = s.cfg.Interval, s.lap.Began, s.lap.Ended, s.pace.share()
	if s.lap.Read {
		now.Share = 1
	}
	return now
}

func (s *Scrub) run() {
	lowestPriority()
	for s.ctx.Err() == nil {
		if !s.lap.Read {
			s.round()
		}
		if s.await(0) {
			s.change(func() { s.lap = s.lap.next(time.Now()) })
		}
	}
	s.save()
}

// round reads what the lap has not read. It begins when there is a blob.
func (s *Scrub) round() {
	if s.lap.After == "" {
		s.strays()
		s.tables()
	}
	for {
		s.count()
		refs, err := s.page()
		empty := err == nil && len(refs) == 0
		switch {
		case empty && s.lap.After != "":
			s.end()
			return
		case empty:
			s.change(func() { s.lap.Began = time.Now() })
		case err != nil:
			s.complain(err, "blobs cannot be listed: the scrub waits")
		}
		if len(refs) == 0 && !s.pause(min(scrubLook, s.cfg.Interval/scrubCount)) {
			return
		}
		for _, ref := range refs {
			if !s.blob(ref) {
				return
			}
		}
	}
}

// end notes that all blobs have been read.
func (s *Scrub) end() {
	now := time.Now()
	s.change(func() { s.lap.Read, s.lap.Ended, s.pace.left = true, &now, 0 })
	s.save()
}

// page lists the blobs that come next.
func (s *Scrub) page() (refs []dag.Ref, err error) {
	after := cid.Undef
	if s.lap.After != "" {
		after, _ = cid.Decode(s.lap.After) // what cannot be read begins anew
	}
	for ref, err := range s.cfg.Blobs.After(s.ctx, after) {
		if err != nil {
			return nil, err
		}
		if refs = append(refs, ref); len(refs) == scrubPage {
			break
		}
	}
	return refs, s.ctx.Err()
}

// blob reads what is left of a blob, each leaf when it is due; false when the scrub is to end.
func (s *Scrub) blob(ref dag.Ref) bool {
	if !s.await(openCost) {
		return false
	}
	name := ref.CID.String()
	x, fault, err := s.cfg.Blobs.Inspect(s.ctx, ref)
	s.spend(openCost, 0)
	for i := s.lap.leaf(name); x != nil && err == nil && fault == blob.Sound && i < x.Leaves(); i++ {
		if !s.await(x.Length(i)) {
			return false
		}
		fault, err = x.Leaf(s.ctx, i)
		s.spend(x.Length(i), x.Length(i))
		s.change(func() { s.lap.Blob, s.lap.Leaf = name, i+1 })
	}
	if s.ctx.Err() != nil {
		return false
	}
	s.found(ref, fault, err)
	s.change(func() { s.lap.done(name); s.done.Blobs++ })
	return true
}

// found deals with what is wrong with a blob. What is damaged was set aside: to mend it is not
// for the scrub to do.
func (s *Scrub) found(ref dag.Ref, fault blob.Fault, err error) {
	switch {
	case err != nil:
		s.change(func() { s.done.Unread++ })
		s.complain(err, "a blob cannot be read: the next scrub tries again")
	case fault == blob.LostFile:
		s.change(func() { s.done.Lost++ })
		s.lost(ref)
	case fault == blob.LostRecord:
		s.change(func() { s.done.Recorded++ })
	case fault == blob.Damaged, fault == blob.WrongSize:
		s.change(func() { s.done.Damaged++ })
	}
}

// lost has a blob fetched again whose file is gone, or forgets it.
func (s *Scrub) lost(ref dag.Ref) {
	log := s.cfg.Log.WithField("cid", ref.CID)
	if s.cfg.Wanted(ref.CID) {
		log.Warn("the file of a blob is lost: it is fetched from another member")
		if err := s.cfg.Blobs.Miss(s.ctx, ref); err != nil {
			s.complain(err, "a lost blob is not fetched again before a client asks for it")
		}
		return
	}
	log.Warn("the file of a blob is lost that this registry need not keep")
	if err := s.cfg.Blobs.DeleteRemnant(s.ctx, ref.CID); err != nil { // it may have come again by now
		s.cfg.Log.WithError(err).Debug("what is left of a lost blob stays")
	}
}

// strays looks for files that are not those of a blob that is known.
func (s *Scrub) strays() {
	found, err := s.cfg.Blobs.AdoptStrays(s.ctx)
	if err != nil {
		s.complain(err, "not all files without a record were looked at")
	}
	if found.Recorded > 0 {
		s.cfg.Log.WithField("blobs", found.Recorded).Warn("files of blobs had no record: they have one now")
	}
	if found.Left > 0 {
		s.cfg.Log.WithField("files", found.Left).WithField("first", found.First).Warn("files among the blobs are no blobs: they were left alone")
	}
	s.change(func() {
		s.done.Recorded += found.Recorded
		if err == nil { // or it is what was found before this look was cut short
			s.done.Strays = found.Left
		}
	})
}

// tables looks at the metadata, which nobody can mend.
func (s *Scrub) tables() {
	damaged, err := s.cfg.Tables(s.ctx)
	if err != nil {
		s.complain(err, "the metadata was not read")
	}
	if len(damaged) > 0 {
		s.cfg.Log.WithField("tables", damaged).Error("metadata is damaged on disk: this registry may not start again; " +
			"have another one keep what only this one has, and replace it or restore a backup")
	}
	s.change(func() { s.done.Tables = damaged })
}

func (s *Scrub) complain(err error, what string) {
	if s.ctx.Err() == nil {
		s.cfg.Log.WithError(err).Warn(what)
	}
}

func (s *Scrub) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *Scrub) spend(cost, bytes int64) {
	s.change(func() { s.pace.spent(cost, time.Now()); s.done.Bytes += bytes })
}

// count counts what the lap has left.
func (s *Scrub) count() {
	var all, left int64
	for ref, err := range s.cfg.Blobs.After(s.ctx, cid.Undef) {
		if err != nil {
			return // a page tells
		}
		all += ref.Size + openCost
		if ref.CID.String() > s.lap.After {
			left += ref.Size + openCost
		}
	}
	s.counted = time.Now()
	s.change(func() { s.pace.all, s.pace.left = all, left })
}

// await waits until a piece of that cost is due or, when it costs nothing, until the lap ends.
// It is false when the scrub is to end.
func (s *Scrub) await(cost int64) bool {
	for {
		now := time.Now().Round(0) // by the clock, also while the machine is suspended
		if now.Sub(s.counted).Abs() > s.cfg.Interval/scrubCount && !s.lap.Read {
			s.count()
		}
		if now.Sub(s.saved).Abs() >= min(scrubSave, s.cfg.Interval/scrubCount) {
			s.save()
		}
		var due time.Time
		s.change(func() {
			s.lap.at(now)
			s.pace.at(now)
			due = s.pace.due(s.lap.Began, cost)
			if cost == 0 {
				due = s.lap.Began.Add(s.cfg.Interval)
			}
		})
		if !now.Before(due) || !s.pause(min(due.Sub(now), scrubLook)) {
			return s.ctx.Err() == nil
		}
	}
}

func (s *Scrub) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-s.ctx.Done():
		return false
	}
}

func (s *Scrub) save() {
	s.saved = time.Now()
	if err := s.lap.write(s.cfg.File); err != nil {
		s.cfg.Log.WithError(err).Debug("the place of the scrub is not kept: a restart makes it read some blobs again")
	}
}
