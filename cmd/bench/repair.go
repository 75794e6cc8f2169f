package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/fleet"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
)

// minRepair is how fast copies are made anew, as a share of one stream of the same bytes. A
// registry that has just come waits for some seconds until it believes to know all members.
const minRepair = 0.2

// repair measures how long it takes until a registry that has lost its disk keeps all blobs
// again, counted from its start, against one stream of as many bytes over TLS.
func (b *bench) repair(ctx context.Context) (err error) {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	n, size := pick(b, 50, 1000), int64(1<<20)
	s, err := fleet.StartSwarm(ctx, b.binary, fleet.Keeping, dir, lab.Here(), lab.Here())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	stream, err := fleet.StartRival("http", dir, newKey(), lab.Here(), lab.Here())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Stop()) }()
	if err := errors.Join(s[1].Stop(), os.RemoveAll(s[1].Data)); err != nil {
		return err
	}
	if _, err := together(s[0], manyClients, n, func(int) error { _, err := s[0].Push(ctx, fleet.NewBlob(size)); return err }); err != nil {
		return err
	}
	ours, err := refill(ctx, s, n, size)
	if err != nil {
		return err
	}
	file, err := stream.Offer(ctx, "all", int64(n)*size)
	if err != nil {
		return err
	}
	theirs := report.Trial{Count: float64(n) * float64(size)}
	if theirs.Took, theirs.CPU, err = stream.Move(ctx, file, int64(n)*size); err != nil {
		return err
	}
	b.Rows = append(b.Rows, report.BytesRow(fmt.Sprintf("%d blobs of 1 MiB, kept again after a loss", n), "one stream of net/http over TLS 1.3",
		[]report.Trial{ours}, []report.Trial{theirs}, report.AtLeast(minRepair)))
	return nil
}

// refill starts the last registry, and waits until it keeps as many blobs.
func refill(ctx context.Context, s fleet.Swarm, n int, size int64) (t report.Trial, err error) {
	began, before := time.Now(), s[0].Proc().CPU()
	if err := s[1].Start(ctx); err != nil {
		return t, err
	}
	kept := 0
	err = fleet.Await(ctx, settleTimeout, func() bool {
		now, err := s[1].Status(ctx)
		if err == nil {
			kept = now.Copies.Kept
		}
		return kept >= n
	})
	if err != nil {
		return t, fmt.Errorf("%d of %d blobs are kept again: %w", kept, n, err)
	}
	return report.Trial{Count: float64(n) * float64(size), Took: time.Since(began), CPU: s[0].Proc().CPU() - before + s[1].Proc().CPU()}, nil
}
