package main

import (
	"context"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
)

// cut has a fault of the network last for some time, and every third time something happens to
// a registry meanwhile.
func (t *trial) cut(ctx context.Context, f lab.Fault) error {
	t.swarm.Mesh.Set(f)
	defer t.swarm.Mesh.Set(lab.Fault{})
	if err := t.pause(ctx, 2*time.Second, 6*time.Second); err != nil {
		return err
	}
	switch t.random.IntN(9) {
	case 0:
		return t.kill(ctx)
	case 1:
		return t.suspend(ctx)
	case 2:
		return t.term(ctx)
	}
	return nil
}

// part cuts some off from the others.
func (t *trial) part(ctx context.Context, name string, n int) error {
	all := t.order()
	aside := map[int]bool{}
	var names string
	for _, m := range all[:n] {
		aside[m.Index] = true
		names += m.Name
	}
	t.count(name, "%s", names)
	return t.cut(ctx, lab.Fault{Cut: func(from, to int) bool { return aside[from] != aside[to] }})
}

func (t *trial) parted(ctx context.Context) error { return t.part(ctx, "parted", 2) }
func (t *trial) alone(ctx context.Context) error  { return t.part(ctx, "alone", 1) }

func (t *trial) pair(ctx context.Context) error {
	two := t.order()[:2]
	a, b := two[0].Index, two[1].Index
	t.count("pair", "%s and %s", two[0].Name, two[1].Name)
	return t.cut(ctx, lab.Fault{Cut: func(from, to int) bool { return from == a && to == b || from == b && to == a }})
}

func (t *trial) oneWay(ctx context.Context) error {
	two := t.order()[:2]
	a, b := two[0].Index, two[1].Index
	t.count("one-way", "from %s to %s", two[0].Name, two[1].Name)
	return t.cut(ctx, lab.Fault{Cut: func(from, to int) bool { return from == a && to == b }})
}

func (t *trial) loss(ctx context.Context) error {
	t.count("loss", "5 %%, 30 %% in bursts")
	return t.cut(ctx, lab.Fault{Loss: 0.05, Burst: 0.3})
}
