package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/fleet"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
)

const pullers = 8

// crowd has many registries pull one new blob at once, and compares that with the
// time one link takes to carry it once.
func (b *bench) crowd(ctx context.Context) error {
	size := pick[int64](b, 64<<20, 256<<20)
	return b.withStar(ctx, slices.Repeat([]int{linkMbits}, 1+pullers), func(s fleet.Swarm, spaces []*lab.Space) error {
		var sent []float64
		all := crowdOf(s, size, &sent)
		once := contender{"once", func(ctx context.Context) (report.Trial, error) {
			took, err := carry(ctx, spaces[0], spaces[1], size)
			return report.Trial{Count: float64(size), Took: took}, err
		}}
		trials, err := compete(ctx, pick(b, 1, 3), all, once)
		if err != nil {
			return err
		}
		b.crowdRows(size, trials["all"], trials["once"], sent)
		return b.smallCrowds(ctx, s)
	})
}

// crowdOf pulls one blob to all registries but the first, and notes what the first one sends
// meanwhile, as a multiple of the blob.
func crowdOf(s fleet.Swarm, size int64, sent *[]float64) contender {
	return contender{"all", func(ctx context.Context) (report.Trial, error) {
		before := s[0].Proc().Sent()
		t, err := pullAtOnce(ctx, s, size)
		*sent = append(*sent, float64(s[0].Proc().Sent()-before)/float64(size))
		return t, err
	}}
}

// smallCrowds does the same with blobs of one leaf, or a few.
func (b *bench) smallCrowds(ctx context.Context, s fleet.Swarm) error {
	for _, size := range []int64{1 << 20, 4 << 20} {
		var sent []float64
		if _, err := compete(ctx, pick(b, 2, 5), crowdOf(s, size, &sent)); err != nil {
			return err
		}
		b.Rows = append(b.Rows, sentRow("what A sends to so many", size, sent))
	}
	return nil
}

func sentRow(what string, size int64, sent []float64) report.Row {
	return report.Row{Measure: what, Against: "the blob", Runs: len(sent),
		Ours: humanize.IBytes(uint64(report.SpreadOf(sent).Median * float64(size))), Theirs: humanize.IBytes(uint64(size)),
		Ratio: report.SpreadOf(sent), Target: report.AtMost(2.5)}
}

func (b *bench) crowdRows(size int64, all, once []report.Trial, sent []float64) {
	seconds := func(t []report.Trial) string {
		return fmt.Sprintf("%.1f s", report.Over(t, func(t report.Trial) float64 { return t.Took.Seconds() }).Median)
	}
	computed := report.Trial{Count: float64(size), Took: time.Duration(float64(size) * 8 / (linkMbits * 1e6) * float64(time.Second))}
	var ideal []report.Trial
	for range all {
		ideal = append(ideal, computed)
	}
	name := fmt.Sprintf("cold pull by %d at once, %s, each link %d Mbit/s", pullers, humanize.IBytes(uint64(size)), linkMbits)
	b.Rows = append(b.Rows,
		report.Row{Measure: name, Against: "the time one link takes, measured", Runs: len(all), Ours: seconds(all), Theirs: seconds(once),
			Ratio: report.Ratios(once, all), Target: report.AtMost(1.5), CPUOurs: report.CPU(all)},
		report.Row{Measure: name, Against: "the same, computed", Runs: len(all), Ours: seconds(all), Theirs: seconds(ideal),
			Ratio: report.Ratios(ideal, all), Target: report.AtMost(1.5), CPUOurs: report.CPU(all)},
		sentRow("what A sends meanwhile", size, sent))
}

// pullAtOnce pushes a new blob to the first registry and pulls it from all others
// at the same moment, by a client each, until the last has all of it.
func pullAtOnce(ctx context.Context, s fleet.Swarm, size int64) (report.Trial, error) {
	g := fleet.NewBlob(size)
	if _, err := s[0].Push(ctx, g); err != nil {
		return report.Trial{}, err
	}
	var ps []fleet.Proc
	for _, r := range s {
		ps = append(ps, r.Proc())
	}
	ctx, cancel := context.WithTimeout(ctx, fleet.MoveTimeout)
	defer cancel()
	pulls, ctx := errgroup.WithContext(ctx)
	before, began := fleet.CPUOf(ps...), time.Now()
	for _, r := range s[1:] {
		pulls.Go(func() error { _, err := r.Pull(ctx, g); return err })
	}
	err := pulls.Wait()
	return report.Trial{Count: float64(size), Took: time.Since(began), CPU: fleet.CPUOf(ps...) - before}, err
}

// carry times bytes over one TCP connection from one space to another.
func carry(ctx context.Context, from, to *lab.Space, size int64) (time.Duration, error) {
	l, err := from.Listen("tcp", from.Addr()+":0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithTimeout(ctx, fleet.MoveTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	conn, err := to.Dial(ctx, "tcp", l.Addr().String())
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	server, err := l.Accept()
	if err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	var g errgroup.Group
	began := time.Now()
	g.Go(func() error {
		_, err := io.Copy(server, fleet.NewSeed(size).Reader())
		_ = server.Close()
		return err
	})
	n, err := io.Copy(io.Discard, conn)
	took := time.Since(began)
	if sendErr := g.Wait(); err == nil {
		err = sendErr
	}
	if err == nil && n != size {
		err = fmt.Errorf("%d of %d bytes came", n, size)
	}
	return took, err
}
