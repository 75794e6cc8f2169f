package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/fleet"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
)

// linkMbits is what a capped link carries each way.
const linkMbits = 100

// withStar measures something with registries behind links of so many Mbit/s.
func (b *bench) withStar(ctx context.Context, mbits []int, measure func(fleet.Swarm, []*lab.Space) error) (err error) {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	spaces, err := b.lab.Star(mbits...)
	if err != nil {
		return err
	}
	s, err := fleet.StartSwarm(ctx, b.binary, fleet.Fastest(), dir, spaces...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	return measure(s, spaces)
}

// holders compares a fetch from three holders with one from a single holder. Only the link
// of the fetching registry is not capped.
func (b *bench) holders(ctx context.Context) error {
	size := pick[int64](b, 32<<20, 128<<20)
	return b.withStar(ctx, []int{linkMbits, linkMbits, linkMbits, 0}, func(s fleet.Swarm, _ []*lab.Space) error {
		target := s[len(s)-1]
		from := func(name string, holders fleet.Swarm) contender {
			return contender{name, func(ctx context.Context) (report.Trial, error) {
				return fetchFrom(ctx, holders, target, size)
			}}
		}
		trials, err := compete(ctx, pick(b, 1, 3), from("three", s[:3]), from("one", s[:1]))
		if err != nil {
			return err
		}
		b.Rows = append(b.Rows, report.BytesRow(fmt.Sprintf("from three holders, %s, each holder's link %d Mbit/s", humanize.IBytes(uint64(size)), linkMbits),
			"one such holder", trials["three"], trials["one"], report.AtLeast(2.7)))
		return nil
	})
}

// fetchFrom makes one registry fetch a new blob that only the given ones hold: the blob is
// pushed to each of them over its own loopback.
func fetchFrom(ctx context.Context, holders fleet.Swarm, target *fleet.Registry, size int64) (report.Trial, error) {
	g, err := holders[0].Stock(ctx, size)
	if err != nil {
		return report.Trial{}, err
	}
	for _, r := range holders[1:] {
		if _, err := r.Push(ctx, g.Blob); err != nil {
			return report.Trial{}, err
		}
		if has, err := r.Files(); err != nil || !has[g.File] {
			return report.Trial{}, errors.Join(err, fmt.Errorf("%s does not keep what was pushed to it", r.Name))
		}
	}
	var ps []fleet.Proc
	for _, r := range append(fleet.Swarm{target}, holders...) {
		ps = append(ps, r.Proc())
	}
	before := fleet.CPUOf(ps...)
	took, err := target.Fetch(ctx, g)
	return report.Trial{Count: float64(size), Took: took, CPU: fleet.CPUOf(ps...) - before}, err
}
