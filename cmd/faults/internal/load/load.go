package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/book"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/journal"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/swarm"
)

// Load is the clients, and all that they pushed.
type Load struct {
	swarm   *swarm.Swarm
	book    *book.Book
	journal *journal.Journal
	seed    uint64
	workers []*worker
	extra   *worker // of PushTo
	guest   *worker // of those that push to a registry that is shut out

	cancel context.CancelFunc
	wg     sync.WaitGroup
	serial atomic.Int64

	Pushed, Pulled, Deleted, Refused atomic.Int64 // that were acknowledged, or answered; Refused: that failed

	mu     sync.Mutex
	images map[string]*Image // by repository and digest
	recent []book.Name       // some names that were pushed to
	wrong  []string
}

// New makes the clients of a swarm, whose random choices follow from the seed.
func New(s *swarm.Swarm, b *book.Book, j *journal.Journal, seed uint64, clients int) *Load {
	l := &Load{swarm: s, book: b, journal: j, seed: seed, images: map[string]*Image{}}
	for n := range clients {
		l.workers = append(l.workers, l.worker(n))
	}
	l.extra, l.guest = l.worker(clients), l.worker(clients+1)
	return l
}

func (l *Load) worker(id int) *worker {
	return &worker{load: l, id: id, random: rand.New(rand.NewPCG(l.seed, uint64(1000+id)))}
}

// PushTo has one more client push a new image at a registry, whether or not others are kept away
// from it, of which other registries take a layer while it is being pushed. One call at a time.
func (l *Load) PushTo(ctx context.Context, m *swarm.Member) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	w := l.extra
	if w.count(free) > mostLarge {
		others := l.swarm.Members // a delete is on one disk when it is acknowledged
		_ = w.remove(ctx, others[(m.Index+1)%len(others)])
	}
	return w.push(ctx, m, "team/large", layer(w.random, large+w.random.IntN(1<<20)), l.base(w.random.IntN(bases)))
}

const (
	mostLarge = 3       // images of PushTo that are not deleted again
	large     = 9 << 20 // bytes that a layer has to have until others take it while it grows, and some more
)

// Start has the clients work until Stop.
func (l *Load) Start(ctx context.Context) {
	ctx, l.cancel = context.WithCancel(ctx)
	for _, w := range l.workers {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				if err := w.act(ctx); err != nil {
					l.Refused.Add(1)
					w.pause(ctx, 200*time.Millisecond)
				}
				w.pause(ctx, 150*time.Millisecond)
			}
		})
	}
}

// Stop waits until the clients have ended; what they were doing is cut off.
func (l *Load) Stop() {
	if l.cancel == nil {
		return
	}
	l.cancel()
	l.wg.Wait()
}

func (w *worker) pause(ctx context.Context, most time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(w.random.Int64N(int64(most)))):
	}
}

// Wrong are the answers that no registry may give.
func (l *Load) Wrong() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wrong
}

func (l *Load) lie(err error) {
	l.journal.Note("WRONG", "%v", err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, err.Error())
}

// Image is what a digest in a repository was pushed as, nil if nothing was.
func (l *Load) Image(repo, digest string) *Image {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.images[repo+"@"+digest]
}

func (l *Load) enter(i *Image) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.images[i.Repo+"@"+i.Digest] = i
}

// Need is for each blob of each image that must be there one that refers to it, and for each blob
// of images that may be there all of these.
func (l *Load) Need() (must map[string]string, may map[string][]book.Name) {
	l.mu.Lock()
	all := make([]*Image, 0, len(l.images))
	for _, i := range l.images {
		all = append(all, i)
	}
	l.mu.Unlock()
	must, may = map[string]string{}, map[string][]book.Name{}
	for _, i := range all {
		n := book.Name{Repo: i.Repo, Ref: i.Digest}
		answers := l.book.May(n)
		if !answers.Is(i.Digest) {
			continue
		}
		for _, part := range i.Parts {
			may[part] = append(may[part], n)
			if !answers.Nothing {
				must[part] = i.Repo + "@" + i.Digest
			}
		}
	}
	return must, may
}

// Shared are the digests of what clients rely on without pushing it: layers of which they know, and
// all that images consist of that are pushed again after they were deleted.
func (l *Load) Shared() (map[string]bool, error) {
	var all []v1.Layer
	for n := range bases {
		all = append(all, l.base(n))
	}
	for pair := range (len(l.workers) + 1) / 2 {
		for n := range cycles {
			all = append(all, l.turned(pair, n))
		}
	}
	shared := map[string]bool{}
	for _, one := range all {
		d, err := one.Digest()
		if err != nil {
			return nil, err
		}
		shared[d.String()] = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.images {
		if !i.again {
			continue
		}
		for _, part := range i.Parts {
			shared[part] = true
		}
	}
	return shared, nil
}

func (l *Load) remember(n book.Name) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.recent) >= 300 {
		l.recent = l.recent[100:]
	}
	l.recent = append(l.recent, n)
}

func (l *Load) someName(random *rand.Rand) (book.Name, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.recent) == 0 {
		return book.Name{}, false
	}
	return l.recent[random.IntN(len(l.recent))], true
}

func (l *Load) next(what string) string { return fmt.Sprintf("%s%d", what, l.serial.Add(1)) }

// Seat is a registry as the book knows it.
func Seat(m *swarm.Member) book.Seat { return book.Seat{Registry: m.Index, Life: m.Life()} }
