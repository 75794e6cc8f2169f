package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/lab"
)

// maxExtra is how many MiB of anonymous memory a registry may take beyond what it
// takes idle.
const maxExtra = 150

// memory watches both registries while one large blob is pushed, pulled and moved.
func (b *bench) memory(ctx context.Context) (err error) {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	s, err := b.startSwarm(ctx, fastest(), dir, lab.Here(), lab.Here())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	size := pick[int64](b, 256<<20, 4<<30)
	// Idle is a registry that has answered and found its member.
	idle := []uint64{s[0].anonymous(), s[1].anonymous()}
	var g goods
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"push", func() error { g, err = s[0].stock(ctx, size); return err }},
		{"pull", func() error { _, err := s[0].pull(ctx, g.blob); return err }},
		{"transfer", func() error { _, err := s[1].fetch(ctx, g); return err }},
	} {
		for _, r := range s {
			r.anon.Store(r.anonymous())
		}
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		b.memoryRow(fmt.Sprintf("anonymous memory above idle, %s of %s", step.name, humanize.IBytes(uint64(size))), s, idle)
	}
	return nil
}

// memoryRow is about the registry that grew more. Its ratio is to what it may take.
func (b *bench) memoryRow(name string, s swarm, idle []uint64) {
	var worst, rest float64
	for i, r := range s {
		if extra := float64(r.anon.Load()) - float64(idle[i]); extra > worst {
			worst, rest = extra, float64(idle[i])
		}
	}
	share := worst / (maxExtra << 20)
	b.rows = append(b.rows, row{name, fmt.Sprintf("%d MiB", maxExtra), 1, humanize.IBytes(uint64(worst)), humanize.IBytes(uint64(rest)) + " idle",
		spread{share, share, share}, atMost(1), "-", "-"})
}
