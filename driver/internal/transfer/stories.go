package transfer

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/fetch"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// stories are those of all transfers: the book has those that are over, and the tales what is known
// of the others besides what their coordinators note. It is safe for concurrent use.
type stories struct {
	book  *story.Book
	over  func(story.Story) // is called with each story that is added to the book
	mu    sync.Mutex
	tales map[*fetch.Job]*tale
}

// tale is who wants a blob, and how its transfer ended. It is over when the transfer has ended and
// nobody reads the blob any more: a client that reads more slowly than the bytes came is a part of it.
type tale struct {
	asker   story.Asker
	readers int
	ended   *story.Story // nil: the transfer is under way
}

func newStories(over func(story.Story)) *stories {
	return &stories{book: story.NewBook(), over: over, tales: map[*fetch.Job]*tale{}}
}

// join notes that somebody wants the blob of a job; with reads, until left. A client counts as the
// one that asked, whoever had the transfer begin.
func (s *stories) join(j *fetch.Job, asker story.Asker, reads bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tales[j]
	if t == nil {
		t = &tale{asker: asker}
		s.tales[j] = t
	}
	if asker == story.Client || asker == story.Trace && t.asker != story.Client {
		t.asker = asker
	}
	if reads {
		t.readers++
	}
}

// left notes that a reader has gone. It returns the story of the transfer, if that has ended.
func (s *stories) left(j *fetch.Job) *story.Story {
	s.mu.Lock()
	t := s.tales[j]
	if t == nil {
		s.mu.Unlock()
		return nil
	}
	t.readers--
	if t.ended == nil || t.readers > 0 {
		defer s.mu.Unlock()
		if t.ended == nil {
			return nil
		}
		told := *t.ended
		return &told
	}
	t.ended.Times[story.Reader] += max(time.Since(t.ended.Ended), 0)
	delete(s.tales, j)
	s.mu.Unlock()
	return s.close(*t.ended)
}

// end notes how a transfer ended.
func (s *stories) end(j *fetch.Job, told story.Story) {
	s.mu.Lock()
	t := s.tales[j]
	if t == nil {
		t = &tale{asker: story.Client}
	}
	told.For, told.Ended = t.asker, time.Now()
	t.ended = &told
	reads := t.readers > 0
	if !reads {
		delete(s.tales, j)
	}
	s.mu.Unlock()
	if !reads {
		s.close(told)
	}
}

func (s *stories) close(told story.Story) *story.Story {
	told.Readers = 0
	told = s.book.Add(told)
	s.over(told)
	return &told
}

// of says who wants the blob of a job, and how many read it.
func (s *stories) of(j *fetch.Job) (asker story.Asker, readers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tales[j]; t != nil {
		return t.asker, t.readers
	}
	return "", 0
}

// read are the stories of transfers that have ended and whose blobs are still being read.
func (s *stories) read() (all []story.Story) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range maps.Values(s.tales) {
		if t.ended != nil {
			told := *t.ended
			told.Readers = t.readers
			told.Times[story.Reader] += max(time.Since(told.Ended), 0)
			all = append(all, told)
		}
	}
	return all
}

// Stories returns those of the transfers that are under way, or whose blobs are still being read by
// those who waited for them, the oldest first.
func (t *Transfers) Stories() []story.Story {
	all := t.stories.read()
	for _, j := range t.underway.all() {
		if s := j.Story(); s.CID.Defined() {
			s.For, s.Readers = t.stories.of(j)
			all = append(all, t.placed(s, j))
		}
	}
	slices.SortFunc(all, func(a, b story.Story) int {
		return cmp.Or(a.Begun.Compare(b.Begun), cmp.Compare(a.CID.String(), b.CID.String()))
	})
	return all
}

// Finished returns the stories of transfers that are over, of the last story.Most, with a greater
// number.
func (t *Transfers) Finished(after uint64) []story.Story { return t.stories.book.After(after) }

// FinishedChanged returns a channel that is closed when the next transfer is over.
func (t *Transfers) FinishedChanged() <-chan struct{} { return t.stories.book.Changed() }

// Spreads returns how long transfers took that are over, and how long until their first byte came, by
// their result.
func (t *Transfers) Spreads() (took, first map[story.Result]story.Spread) {
	return t.stories.book.Spreads()
}

// told is the story of a job that has ended.
func (t *Transfers) told(j *fetch.Job, s story.Story, result Result, err error) story.Story {
	s.Result = result
	if err != nil {
		s.Error = err.Error()
	}
	if result == story.Whole {
		s.Before = max(s.Size-s.Bytes-s.Copied, 0)
	}
	return t.placed(s, j)
}

// placed says how much of the blob is here, and which roads lead over a relay.
func (t *Transfers) placed(s story.Story, j *fetch.Job) story.Story {
	s.Here = here(j)
	for i := range s.Sources {
		of := &s.Sources[i]
		if k := slices.Index(of.Roads, story.RoadStream); k >= 0 && t.cfg.Swarm.Relayed(of.Peer) {
			of.Roads[k] = story.RoadRelay
		}
	}
	return s
}

// here is how many bytes of a job's blob are here, verified; of a stream: were handed on.
func here(j *fetch.Job) int64 {
	if passed, ok := j.Passed(); ok {
		return passed
	}
	ref := j.Ref()
	return min(ref.Size, ref.Size*int64(j.Verified().Count())/int64(dag.LeavesOf(ref.Size)))
}
