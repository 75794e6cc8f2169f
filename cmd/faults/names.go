package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/book"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/swarm"
)

type name = book.Name

func compare(a, b string) int { return cmp.Compare(a, b) }

const atOnce = 8

// names asks all registries for names, and compares what they answer with what they may.
func (t *trial) names(ctx context.Context, names []name) error {
	var g errgroup.Group
	g.SetLimit(atOnce)
	var mu sync.Mutex
	for _, n := range names {
		g.Go(func() error {
			answers, err := t.ask(ctx, n)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				t.judge(n, answers)
			case ctx.Err() == nil:
				t.lose("%v", err)
			}
			return ctx.Err()
		})
	}
	return g.Wait()
}

// ask returns what each registry answers for a name.
func (t *trial) ask(ctx context.Context, n name) ([]string, error) {
	answers := make([]string, members)
	for i, m := range t.swarm.Members {
		err := t.await(ctx, func() (string, error) {
			digest, err := t.load.Look(ctx, m, n)
			if err != nil {
				return fmt.Sprintf("%s at %s: %v; it may be: %s", n, m.Name, err, t.book.May(n)), nil
			}
			answers[i] = digest
			return "", nil
		})
		if err != nil {
			return nil, err
		}
	}
	return answers, nil
}

func (t *trial) judge(n name, answers []string) {
	may := t.book.May(n)
	for i, digest := range answers {
		if digest != answers[0] || !may.Is(digest) {
			t.lose("%s: %s answers %q, the answers are %q; what was done to it: %s", n, t.swarm.Members[i].Name, digest, answers, may)
			return
		}
	}
	if may.Latest != answers[0] && !strings.HasPrefix(n.Ref, "sha256:") {
		t.concurrent++
		t.journal.Note("concur", "%s is %q, and what was acknowledged last is %q: %s", n, answers[0], may.Latest, may)
	}
	t.book.Agreed(n, answers[0], func(registry, run int) bool { return t.swarm.Seat(registry).Run() > run })
}

// blobs reads what images need, each blob at one registry.
func (t *trial) blobs(ctx context.Context) error {
	must, _ := t.load.Need()
	var g errgroup.Group
	g.SetLimit(atOnce)
	var mu sync.Mutex
	for digest, of := range must {
		if t.seen[digest] {
			continue // in an earlier round; whether its bytes are the same is seen on the disks
		}
		t.seen[digest] = true
		m := t.swarm.Members[int(digest[len(digest)-1])%members]
		repo, _, _ := strings.Cut(of, "@")
		if strings.HasSuffix(of, "@"+digest) {
			continue // a manifest, which was read by its name
		}
		g.Go(func() error {
			err := t.blob(ctx, m, repo, digest, of)
			mu.Lock()
			defer mu.Unlock()
			if err != nil && ctx.Err() == nil {
				t.lose("%v", err)
			}
			return ctx.Err()
		})
	}
	return g.Wait()
}

func (t *trial) blob(ctx context.Context, m *swarm.Member, repo, digest, of string) error {
	return t.await(ctx, func() (string, error) {
		found, err := t.load.ReadBlob(ctx, m, repo, digest)
		if err != nil {
			return fmt.Sprintf("blob %s of %s at %s: %v", digest, of, m.Name, err), nil
		}
		if !found {
			return fmt.Sprintf("blob %s of %s: %s says that there is none", digest, of, m.Name), nil
		}
		return "", nil
	})
}
