package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/fleet"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
)

// manyClients is how many clients there are where requests come at the same time.
const manyClients = 8

// smallPushes compares pushes of small blobs, which wait for syncs more than they move bytes:
// one after the other, and several at once.
func (b *bench) smallPushes(ctx context.Context, f *trio) error {
	rounds := pick(b, 3, 11)
	for _, what := range []struct {
		name            string
		bytes           int64
		clients, pushes int
	}{
		{"4 KiB", 4 << 10, 1, pick(b, 20, 60)},
		{"4 KiB", 4 << 10, manyClients, pick(b, 80, 320)},
		{"1 MiB", 1 << 20, 1, pick(b, 10, 30)},
		{"1 MiB", 1 << 20, manyClients, pick(b, 40, 80)},
	} {
		contend := func(r *fleet.Registry) contender {
			return contender{r.Name, func(context.Context) (report.Trial, error) {
				blobs := make([]fleet.Blob, what.pushes)
				for i := range blobs {
					blobs[i] = fleet.NewBlob(what.bytes)
				}
				return together(r, what.clients, what.pushes, func(i int) error {
					_, err := r.Push(ctx, blobs[i])
					return err
				})
			}}
		}
		trials, err := compete(ctx, rounds, contend(f.a), contend(f.fs))
		if err != nil {
			return fmt.Errorf("pushes of %s: %w", what.name, err)
		}
		b.Rows = append(b.Rows, report.RequestsRow(fmt.Sprintf("push, %s, %s", what.name, connections(what.clients)), "filesystem driver",
			trials[f.a.Name], trials[f.fs.Name], report.AtLeast(0.95)))
	}
	return nil
}

func connections(n int) string {
	if n == 1 {
		return "1 connection"
	}
	return fmt.Sprintf("%d connections", n)
}

// together has clients share the requests.
func together(r *fleet.Registry, clients, requests int, do func(i int) error) (report.Trial, error) {
	var g errgroup.Group
	before, began := r.Proc().CPU(), time.Now()
	for c := range clients {
		g.Go(func() error {
			for i := c; i < requests; i += clients {
				if err := do(i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	return report.Trial{Count: float64(requests), Took: time.Since(began), CPU: r.Proc().CPU() - before}, err
}
