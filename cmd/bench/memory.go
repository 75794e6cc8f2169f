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

// maxDisk is how much disk a blob may take, while it comes and after, as a multiple of its
// size.
const maxDisk = 1.01

// memory watches the memory and the disk of both registries while one large blob is
// pushed, pulled and moved, each way.
func (b *bench) memory(ctx context.Context) error {
	if err := b.memoryOf(ctx, fastest(), true); err != nil {
		return err
	}
	return b.memoryOf(ctx, byStreams, false)
}

// memoryOf also reports the push and a local pull, which are the same each way.
func (b *bench) memoryOf(ctx context.Context, k kind, local bool) (err error) {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	s, err := startSwarm(ctx, b.binary, k, dir, lab.Here(), lab.Here())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	size := pick[int64](b, 256<<20, 4<<30)
	// Idle is a registry that has answered and found its member.
	idle := []uint64{s[0].proc().anonymous(), s[1].proc().anonymous()}
	var g goods
	for _, step := range []struct {
		name string
		told bool
		fill *registry // whose disk the blob comes to
		do   func() error
	}{
		{"push", local, s[0], func() error { g, err = s[0].stock(ctx, size); return err }},
		{"local pull", local, s[0], func() error { _, err := s[0].pull(ctx, g.blob); return err }},
		{"cold pull by " + k.name, true, s[1], func() error { _, err := s[1].pull(ctx, g.blob); return err }},
	} {
		for _, r := range s {
			r.anon.Store(r.proc().anonymous())
		}
		disk := step.fill.watchDisk()
		err := step.do()
		used := disk.stop()
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		if !step.told {
			continue
		}
		what := fmt.Sprintf("%s, %s", step.name, humanize.IBytes(uint64(size)))
		b.memoryRow("anonymous memory above idle, "+what, s, idle)
		b.diskRow(what, used, size)
	}
	return nil
}

// memoryRow is about the registry whose memory grew more. The ratio is to what a registry
// may take.
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

func (b *bench) diskRow(what string, used, size int64) {
	share := float64(used) / float64(size)
	b.rows = append(b.rows, row{fmt.Sprintf("disk during and after, %s", what), "the blob", 1, humanize.IBytes(uint64(used)), humanize.IBytes(uint64(size)),
		spread{share, share, share}, atMost(maxDisk), "-", "-"})
}
