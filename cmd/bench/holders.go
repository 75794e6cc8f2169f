package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/lab"
)

// linkMbits is what a capped link carries each way.
const linkMbits = 100

// withStar measures something with registries behind links of so many Mbit/s.
func (b *bench) withStar(ctx context.Context, mbits []int, measure func(swarm, []*lab.Space) error) (err error) {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	spaces, err := b.lab.Star(mbits...)
	if err != nil {
		return err
	}
	s, err := startSwarm(ctx, b.binary, fastest(), dir, spaces...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	return measure(s, spaces)
}

// holders compares a fetch from three holders with one from a single holder. Only the link
// of the fetching registry is not capped.
func (b *bench) holders(ctx context.Context) error {
	size := pick[int64](b, 32<<20, 128<<20)
	return b.withStar(ctx, []int{linkMbits, linkMbits, linkMbits, 0}, func(s swarm, _ []*lab.Space) error {
		target := s[len(s)-1]
		from := func(name string, holders swarm) contender {
			return contender{name, func(ctx context.Context) (trial, error) {
				return fetchFrom(ctx, holders, target, size)
			}}
		}
		trials, err := compete(ctx, pick(b, 1, 3), from("three", s[:3]), from("one", s[:1]))
		if err != nil {
			return err
		}
		b.rows = append(b.rows, bytesRow(fmt.Sprintf("from three holders, %s, each holder's link %d Mbit/s", humanize.IBytes(uint64(size)), linkMbits),
			"one such holder", trials["three"], trials["one"], atLeast(2.7)))
		return nil
	})
}

// fetchFrom makes one registry fetch a new blob that only the given ones hold: the blob is
// pushed to each of them over its own loopback.
func fetchFrom(ctx context.Context, holders swarm, target *registry, size int64) (trial, error) {
	g, err := holders[0].stock(ctx, size)
	if err != nil {
		return trial{}, err
	}
	for _, r := range holders[1:] {
		if _, err := r.push(ctx, g.blob); err != nil {
			return trial{}, err
		}
		if has, err := r.files(); err != nil || !has[g.file] {
			return trial{}, errors.Join(err, fmt.Errorf("%s does not keep what was pushed to it", r.Name))
		}
	}
	var ps []proc
	for _, r := range append(swarm{target}, holders...) {
		ps = append(ps, r.proc())
	}
	before := cpuOf(ps...)
	took, err := target.fetch(ctx, g)
	return trial{float64(size), took, cpuOf(ps...) - before}, err
}
