package story

import (
	"sync"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/signal"
)

// Most is how many stories a registry keeps.
const Most = 1000

// Book keeps the last stories of a registry. It is safe for concurrent use.
type Book struct {
	news *signal.Signal

	mu     sync.Mutex
	last   []Story // the story of number n is at (n-1) % Most
	number uint64  // of the last one
	took   map[Result]*Spread
	first  map[Result]*Spread
}

// NewBook makes an empty book.
func NewBook() *Book {
	return &Book{news: signal.New(), took: map[Result]*Spread{}, first: map[Result]*Spread{}}
}

// Add numbers a story and keeps it, in the place of the oldest one where there are Most.
func (b *Book) Add(s Story) Story {
	b.mu.Lock()
	b.number++
	s.Number = b.number
	if len(b.last) < Most {
		b.last = append(b.last, s)
	} else {
		b.last[(s.Number-1)%Most] = s
	}
	spread(b.took, s.Result).add(s.Took())
	if s.First > 0 {
		spread(b.first, s.Result).add(s.First)
	}
	b.mu.Unlock()
	b.news.Raise()
	return s
}

// After returns the stories with a greater number that are kept, the oldest first.
func (b *Book) After(number uint64) []Story {
	b.mu.Lock()
	defer b.mu.Unlock()
	oldest := b.number - uint64(len(b.last)) + 1
	var all []Story
	for n := max(number+1, oldest); n <= b.number; n++ {
		all = append(all, b.last[(n-1)%Most])
	}
	return all
}

// Changed returns a channel that is closed when the next story is added.
func (b *Book) Changed() <-chan struct{} { return b.news.Wait() }

// Spreads returns how long transfers took, and how long until their first byte came, by result.
func (b *Book) Spreads() (took, first map[Result]Spread) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return copied(b.took), copied(b.first)
}

// Bounds are the bounds of the counts in a Spread: those above all of them are only in its Count.
var Bounds = [...]time.Duration{
	10 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, time.Second,
	5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute,
}

// Spread is how often something took how long, since the start. It is no prometheus.Histogram, whose
// counts cannot be read but by writing them out: a process may have several registries, whose metrics
// are collected from what each has at one moment, and tests read them as they are.
type Spread struct {
	Count uint64
	Sum   time.Duration
	Upto  [len(Bounds)]uint64 // how many took at most as long as the bound
}

func (s *Spread) add(took time.Duration) {
	s.Count++
	s.Sum += took
	for i, bound := range Bounds {
		if took <= bound {
			s.Upto[i]++
		}
	}
}

func spread(all map[Result]*Spread, r Result) *Spread {
	if all[r] == nil {
		all[r] = &Spread{}
	}
	return all[r]
}

func copied(all map[Result]*Spread) map[Result]Spread {
	of := make(map[Result]Spread, len(all))
	for r, s := range all {
		of[r] = *s
	}
	return of
}
