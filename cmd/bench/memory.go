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

// maxExtra is how many MiB of anonymous memory a registry may take beyond what it
// takes idle.
const maxExtra = 150

// maxDisk is how much disk a blob may take, while it comes and after, as a multiple of its
// size.
const maxDisk = 1.01

// memory watches the memory and the disk of both registries while one large blob is
// pushed, pulled and moved, over each kind of connection.
func (b *bench) memory(ctx context.Context) error {
	if err := b.memoryOf(ctx, fleet.Fastest(), true); err != nil {
		return err
	}
	return b.memoryOf(ctx, fleet.ByStreams, false)
}

// memoryOf reports the push and a local pull only if local is true: they are the same over
// each kind.
func (b *bench) memoryOf(ctx context.Context, k fleet.Kind, local bool) (err error) {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	s, err := fleet.StartSwarm(ctx, b.binary, k, dir, lab.Here(), lab.Here())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	size := pick[int64](b, 256<<20, 4<<30)
	// Idle is a registry that has answered and found its member.
	idle := []uint64{s[0].Proc().Anonymous(), s[1].Proc().Anonymous()}
	var g fleet.Goods
	for _, step := range []struct {
		name string
		told bool
		fill *fleet.Registry // on whose disk the blob arrives
		do   func() error
	}{
		{"push", local, s[0], func() error { g, err = s[0].Stock(ctx, size); return err }},
		{"local pull", local, s[0], func() error { _, err := s[0].Pull(ctx, g.Blob); return err }},
		{"cold pull by " + k.Name, true, s[1], func() error { _, err := s[1].Pull(ctx, g.Blob); return err }},
	} {
		for _, r := range s {
			r.Anon.Store(r.Proc().Anonymous())
		}
		disk := step.fill.WatchDisk()
		err := step.do()
		used := disk.Stop()
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

// memoryRow is about the registry whose memory grew more, as a share of what it may take.
func (b *bench) memoryRow(name string, s fleet.Swarm, idle []uint64) {
	var worst, rest float64
	for i, r := range s {
		if extra := float64(r.Anon.Load()) - float64(idle[i]); extra > worst {
			worst, rest = extra, float64(idle[i])
		}
	}
	share := worst / (maxExtra << 20)
	b.Rows = append(b.Rows, report.Row{Measure: name, Against: fmt.Sprintf("%d MiB", maxExtra), Runs: 1, Ours: humanize.IBytes(uint64(worst)), Theirs: humanize.IBytes(uint64(rest)) + " idle",
		Ratio: report.Exactly(share), Target: report.AtMost(1)})
}

func (b *bench) diskRow(what string, used, size int64) {
	share := float64(used) / float64(size)
	b.Rows = append(b.Rows, report.Row{Measure: fmt.Sprintf("disk during and after, %s", what), Against: "the blob", Runs: 1, Ours: humanize.IBytes(uint64(used)), Theirs: humanize.IBytes(uint64(size)),
		Ratio: report.Exactly(share), Target: report.AtMost(maxDisk)})
}
