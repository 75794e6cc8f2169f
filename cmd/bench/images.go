package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/fleet"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
)

const (
	ourName, cacheName = "ours", "cache"
	imageLayers        = 8

	// maxImageExtra is how many MiB of anonymous memory all transfers together may take
	// beyond what a registry takes idle.
	maxImageExtra = 100
)

// images compares a cold pull of an image of several layers with one of a single blob of
// the same bytes, and with distribution's own pull-through cache.
func (b *bench) images(ctx context.Context) (err error) {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	c, err := fleet.StartCache(ctx, b.binary, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	s, err := fleet.StartSwarm(ctx, b.binary, fleet.Fastest(), dir, lab.Here(), lab.Here())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	ours := pairOf(s, ourName)
	theirs := pair{name: cacheName, stock: c.Stock, ends: fleet.Swarm{c.Behind, c.Front}, front: c.Front, settled: c.Settled}
	m := &imageTrials{size: pick[int64](b, 4<<20, 64<<20), idle: ours.front.Proc().Anonymous(), peaks: map[string][]uint64{}}
	m.trials, err = compete(ctx, pick(b, 3, 5),
		b.pulled(m, ours, fewAtOnce), b.pulled(m, theirs, fewAtOnce), b.pulled(m, ours, oneBlob),
		b.pulled(m, ours, allAtOnce), b.pulled(m, theirs, allAtOnce))
	if err != nil {
		return err
	}
	b.imageRows(m, ours, theirs)
	b.imageTable(m, ours, theirs)
	return nil
}

// pair is two registries, one behind the other, as a client sees them.
type pair struct {
	name    string
	stock   *fleet.Registry // takes pushes
	ends    fleet.Swarm     // whose CPU counts
	front   *fleet.Registry // is pulled from
	settled func(context.Context) error
}

// pairOf is the first two of a swarm.
func pairOf(s fleet.Swarm, name string) pair {
	return pair{name: name, stock: s[0], ends: s[:2], front: s[1], settled: s[1].Settled}
}

// imageTrials are the results, by contender.
type imageTrials struct {
	size   int64 // of a layer
	trials map[string][]report.Trial
	idle   uint64              // anonymous memory of our front
	peaks  map[string][]uint64 // the most that it took in each trial
}

// way is how the bytes are laid out, and pulled.
type way struct {
	name           string
	layers, atOnce int
}

var (
	fewAtOnce = way{"3 at once", imageLayers, 3} // as docker does
	allAtOnce = way{"all at once", imageLayers, imageLayers}
	oneBlob   = way{"one blob", 1, 1}
)

func (p pair) by(w way) string { return p.name + ", " + w.name }

// pulled notes the memory of each pull, too.
func (b *bench) pulled(m *imageTrials, p pair, w way) contender {
	return contender{p.by(w), func(ctx context.Context) (report.Trial, error) {
		t, err := b.coldPull(ctx, p, w, m.size*imageLayers/int64(w.layers))
		m.peaks[p.by(w)] = append(m.peaks[p.by(w)], p.front.Anon.Load())
		return t, err
	}}
}

// coldPull pulls a new image of layers of one size by a client, after a smaller one that
// warms the connections. CPU is counted until the front has stored all of it.
func (b *bench) coldPull(ctx context.Context, p pair, w way, size int64) (report.Trial, error) {
	ctx, cancel := context.WithTimeout(ctx, fleet.MoveTimeout)
	defer cancel()
	warm, err := p.stock.PushImage(ctx, imageLayers, 1<<20)
	if err != nil {
		return report.Trial{}, err
	}
	timed, err := p.stock.PushImage(ctx, w.layers, size)
	if err != nil {
		return report.Trial{}, err
	}
	if _, err := p.front.PullImage(ctx, warm, w.atOnce); err != nil {
		return report.Trial{}, err
	}
	if err := p.settled(ctx); err != nil {
		return report.Trial{}, err
	}
	done := b.profile(ctx, fmt.Sprintf("image-%s-%d-of-%d", p.name, w.atOnce, w.layers), p.profiled()...)
	p.front.Anon.Store(p.front.Proc().Anonymous())
	before := p.cpu()
	took, err := p.front.PullImage(ctx, timed, w.atOnce)
	if err == nil {
		err = p.settled(ctx)
	}
	return report.Trial{Count: float64(timed.Size()), Took: took, CPU: p.cpu() - before}, errors.Join(err, done())
}

func (p pair) cpu() (sum time.Duration) {
	for _, r := range p.ends {
		sum += r.Proc().CPU()
	}
	return sum
}

// profiled are those that have a debug server.
func (p pair) profiled() (list []*fleet.Registry) {
	for _, r := range p.ends {
		if r.Debug != "" {
			list = append(list, r)
		}
	}
	return list
}
