package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/fleet"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
)

const (
	idleMembers = 3
	maxIdle     = 2 // milliseconds of CPU time a second, of a member that nobody asks for anything
)

// idle measures how much CPU time each of three members takes when nothing happens, a while
// after an image was pushed to one and pulled from the others.
func (b *bench) idle(ctx context.Context) (err error) {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	s, err := fleet.StartSwarm(ctx, b.binary, fleet.Fastest(), dir, slices.Repeat([]*lab.Space{lab.Here()}, idleMembers)...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	i, err := s[0].PushImage(ctx, imageLayers, 1<<20)
	if err != nil {
		return err
	}
	for _, r := range s[1:] {
		if _, err := r.PullImage(ctx, i, fewAtOnce.atOnce); err != nil {
			return err
		}
		if err := r.Settled(ctx); err != nil {
			return err
		}
	}
	if err := rest(ctx, pick(b, 5*time.Second, 20*time.Second)); err != nil {
		return err
	}
	return b.idleRow(ctx, s, pick(b, 10*time.Second, time.Minute))
}

func (b *bench) idleRow(ctx context.Context, s fleet.Swarm, long time.Duration) error {
	before := map[*fleet.Registry]time.Duration{}
	for _, r := range s {
		before[r] = r.Proc().CPU()
	}
	began := time.Now()
	if err := rest(ctx, long); err != nil {
		return err
	}
	took := time.Since(began)
	var shares []float64
	for _, r := range s {
		shares = append(shares, float64((r.Proc().CPU()-before[r]).Milliseconds())/took.Seconds()/maxIdle)
	}
	share := report.SpreadOf(shares)
	b.Rows = append(b.Rows, report.Row{Measure: fmt.Sprintf("CPU of each of %d idle members, over %v", idleMembers, long), Against: fmt.Sprintf("%d ms a second", maxIdle), Runs: len(s),
		Ours: fmt.Sprintf("%.1f ms/s", share.Median*maxIdle), Theirs: "-", Ratio: share, Target: report.AtMost(1)})
	return nil
}

func rest(ctx context.Context, long time.Duration) error {
	select {
	case <-time.After(long):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
