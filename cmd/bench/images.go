package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/lab"
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
	c, err := startCache(ctx, b.binary, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	s, err := startSwarm(ctx, b.binary, fastest(), dir, lab.Here(), lab.Here())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	ours := pairOf(s, ourName)
	theirs := pair{name: cacheName, stock: c.stock, ends: swarm{c.behind, c.front}, front: c.front, settled: c.settled}
	m := &imageTrials{size: pick[int64](b, 4<<20, 64<<20), idle: ours.front.proc().anonymous(), peaks: map[string][]uint64{}}
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
	stock   *registry // takes pushes
	ends    swarm     // whose CPU counts
	front   *registry // is pulled from
	settled func(context.Context) error
}

// pairOf is the first two of a swarm.
func pairOf(s swarm, name string) pair {
	return pair{name: name, stock: s[0], ends: s[:2], front: s[1], settled: s[1].settled}
}

// imageTrials are the results, by contender.
type imageTrials struct {
	size   int64 // of a layer
	trials map[string][]trial
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
	return contender{p.by(w), func(ctx context.Context) (trial, error) {
		t, err := b.coldPull(ctx, p, w, m.size*imageLayers/int64(w.layers))
		m.peaks[p.by(w)] = append(m.peaks[p.by(w)], p.front.anon.Load())
		return t, err
	}}
}

// coldPull pulls a new image of layers of one size by a client, behind a smaller one that
// warms the connections. CPU is counted until the front has stored all of it.
func (b *bench) coldPull(ctx context.Context, p pair, w way, size int64) (trial, error) {
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	warm, err := p.stock.pushImage(ctx, imageLayers, 1<<20)
	if err != nil {
		return trial{}, err
	}
	timed, err := p.stock.pushImage(ctx, w.layers, size)
	if err != nil {
		return trial{}, err
	}
	if _, err := p.front.pullImage(ctx, warm, w.atOnce); err != nil {
		return trial{}, err
	}
	if err := p.settled(ctx); err != nil {
		return trial{}, err
	}
	done := b.profile(ctx, fmt.Sprintf("image-%s-%d-of-%d", p.name, w.atOnce, w.layers), p.profiled()...)
	p.front.anon.Store(p.front.proc().anonymous())
	before := p.cpu()
	took, err := p.front.pullImage(ctx, timed, w.atOnce)
	if err == nil {
		err = p.settled(ctx)
	}
	return trial{float64(timed.size()), took, p.cpu() - before}, errors.Join(err, done())
}

func (p pair) cpu() (sum time.Duration) {
	for _, r := range p.ends {
		sum += r.proc().cpu()
	}
	return sum
}

// profiled are those that have a debug server.
func (p pair) profiled() (list []*registry) {
	for _, r := range p.ends {
		if r.debug != "" {
			list = append(list, r)
		}
	}
	return list
}
