package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/fleet"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
)

// ackTarget is how much longer a push may take that two disks acknowledge.
const ackTarget = 1.6

// ack compares pushes that two disks acknowledge with those that one does, each of two registries.
func (b *bench) ack(ctx context.Context) (err error) {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	var swarms []fleet.Swarm
	defer func() {
		for _, s := range swarms {
			err = errors.Join(err, s.Stop())
		}
	}()
	for _, kind := range []fleet.Kind{fleet.Acknowledging, fleet.Fastest()} {
		s, err := fleet.StartSwarm(ctx, b.binary, kind, filepath.Join(dir, kind.Slug()), lab.Here(), lab.Here())
		if err != nil {
			return err
		}
		swarms = append(swarms, s)
	}
	for _, s := range b.sizes() {
		if !s.aimed {
			continue
		}
		trials, err := compete(ctx, s.runs, b.pusher("two", swarms[0], s.bytes), b.pusher("one", swarms[1], s.bytes))
		if err != nil {
			return err
		}
		two, one := trials["two"], trials["one"]
		b.Rows = append(b.Rows, report.Row{
			Measure: "push of " + s.name + ", acknowledged by two disks: its time", Against: "by one", Runs: len(two),
			Ours: report.Megabytes(two), Theirs: report.Megabytes(one), Ratio: report.Ratios(one, two), Target: report.AtMost(ackTarget),
			CPUOurs: report.CPU(two), CPUTheirs: report.CPU(one),
		})
	}
	return nil
}

// pusher pushes new blobs to the first of two registries, and counts what both of them spend.
func (b *bench) pusher(name string, s fleet.Swarm, size int64) contender {
	return contender{name, func(ctx context.Context) (t report.Trial, err error) {
		blob := fleet.NewBlob(size)
		before := s[0].Proc().CPU() + s[1].Proc().CPU()
		t.Count = float64(size)
		if t.Took, err = s[0].Push(ctx, blob); err != nil {
			return t, err
		}
		t.CPU = s[0].Proc().CPU() + s[1].Proc().CPU() - before
		return t, s[1].Settled(ctx)
	}}
}
