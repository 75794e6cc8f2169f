package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/book"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/swarm"
)

const (
	patience     = 25 * time.Second // of a client, with one thing that it does
	repositories = 4
	moving       = 3  // tags of a repository that all clients push
	mostFree     = 25 // images of a client that it may delete
	cycles       = 3  // of a client, with an image that it pushes and deletes by turns
	mostHeld     = 5  // and that it may not
)

// worker is one client.
type worker struct {
	load   *Load
	id     int
	random *rand.Rand

	owned []*owned // images that it may delete
	cycle [cycles]*Image
}

// owned is an image that one tag leads to.
type owned struct {
	*Image
	tag  string
	held bool // an index, or another tag, needs it: it is not deleted
}

// act does one thing at one registry.
func (w *worker) act(ctx context.Context) error {
	m := w.load.swarm.Members[w.random.IntN(len(w.load.swarm.Members))]
	leave, ok := m.Enter()
	if !ok {
		return nil // another time, elsewhere
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	repo := fmt.Sprintf("team/app%d", w.random.IntN(repositories))
	switch n := w.random.IntN(100); {
	case n < 40 && w.count(free) > mostFree:
		return w.remove(ctx, m)
	case n < 40:
		return w.push(ctx, m, repo, w.layers()...)
	case n < 52:
		return w.pushMoving(ctx, m, repo)
	case n < 57:
		return w.retag(ctx, m)
	case n < 62:
		return w.pushIndex(ctx, m, repo)
	case n < 78:
		return w.turn(ctx, m, fmt.Sprintf("team/cycle%d", w.id/2))
	case n < 80:
		return w.untag(ctx, m, repo)
	case n < 87:
		return w.remove(ctx, m)
	}
	return w.pull(ctx, m)
}

func (w *worker) layers() []v1.Layer {
	all := []v1.Layer{layer(w.random, size(w.random))}
	if w.random.IntN(3) > 0 {
		all = append(all, w.load.base(w.random.IntN(bases)))
	}
	return all
}

// push pushes a new image under a new tag.
func (w *worker) push(ctx context.Context, m *swarm.Member, repo string, layers ...v1.Layer) error {
	tag := w.load.next("v")
	i, err := image(repo, tag, layers...)
	if err != nil {
		return err
	}
	if err := w.write(ctx, m, i, tag); err != nil {
		return err
	}
	w.owned = append(w.owned, &owned{Image: i, tag: tag})
	return nil
}

// pushMoving pushes a new image under a tag that all clients push.
func (w *worker) pushMoving(ctx context.Context, m *swarm.Member, repo string) error {
	i, err := image(repo, w.load.next("m"), layer(w.random, 1+w.random.IntN(4<<10)))
	if err != nil {
		return err
	}
	return w.write(ctx, m, i, w.movingTag())
}

func (w *worker) movingTag() string { return fmt.Sprintf("moving%d", w.random.IntN(moving)) }

// retag gives an image of its own a tag that all push.
func (w *worker) retag(ctx context.Context, m *swarm.Member) error {
	o := w.hold(func(o *owned) bool { return o.img != nil })
	if o == nil {
		return nil
	}
	return w.write(ctx, m, o.Image, w.movingTag())
}

// pushIndex pushes an index of images of its own.
func (w *worker) pushIndex(ctx context.Context, m *swarm.Member, repo string) error {
	first := w.hold(func(o *owned) bool { return o.img != nil && o.Repo == repo })
	if first == nil {
		return nil
	}
	second := w.hold(func(o *owned) bool { return o.img != nil && o.Repo == repo && o != first })
	if second == nil {
		return nil
	}
	tag := w.load.next("index")
	i, err := index(repo, tag, first.Image, second.Image)
	if err != nil {
		return err
	}
	if err := w.write(ctx, m, i, tag); err != nil {
		return err
	}
	w.owned = append(w.owned, &owned{Image: i, tag: tag})
	return nil
}

// turn pushes an image that it has pushed and deleted before, or deletes it. Its layer is one
// that one other client pushes and deletes, too: so it becomes garbage again and again, and
// while it does, somebody relies on it.
func (w *worker) turn(ctx context.Context, m *swarm.Member, repo string) error {
	n := w.random.IntN(len(w.cycle))
	i := w.cycle[n]
	if i == nil {
		var err error
		if i, err = image(repo, fmt.Sprintf("cycle%d of %d", n, w.id), w.load.turned(w.id/2, n)); err != nil {
			return err
		}
		i.again, w.cycle[n] = true, i
	}
	tag := fmt.Sprintf("cycle%d.%d", n, w.id)
	if w.load.book.May(book.Name{Repo: i.Repo, Ref: i.Digest}).Is(i.Digest) {
		return w.delete(ctx, m, i, i.Digest, tag)
	}
	return w.write(ctx, m, i, tag)
}

// untag deletes a tag that all push, and leaves the image.
func (w *worker) untag(ctx context.Context, m *swarm.Member, repo string) error {
	tag := w.movingTag()
	return w.delete(ctx, m, &Image{Repo: repo}, tag, tag)
}

// remove deletes an image of its own, and so its tag.
func (w *worker) remove(ctx context.Context, m *swarm.Member) error {
	o := w.one(free)
	if o == nil {
		return nil
	}
	w.owned = slices.DeleteFunc(w.owned, func(other *owned) bool { return other == o })
	return w.delete(ctx, m, o.Image, o.Digest, o.tag)
}

func free(o *owned) bool { return !o.held }

func (w *worker) those(fit func(*owned) bool) (all []*owned) {
	for _, o := range w.owned {
		if fit(o) {
			all = append(all, o)
		}
	}
	return all
}

func (w *worker) count(fit func(*owned) bool) int { return len(w.those(fit)) }

func (w *worker) one(fit func(*owned) bool) *owned {
	all := w.those(fit)
	if len(all) == 0 {
		return nil
	}
	return all[w.random.IntN(len(all))]
}

// hold picks an image that is not deleted from now on: one of those that are not anyway, when
// there are enough.
func (w *worker) hold(fit func(*owned) bool) *owned {
	o := w.one(func(o *owned) bool { return o.held && fit(o) })
	if o == nil || w.count(func(o *owned) bool { return o.held }) < mostHeld {
		o = w.one(fit)
	}
	if o != nil {
		o.held = true
	}
	return o
}
