package main

import (
	"context"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
)

// cut has a fault of the network last for some time.
func (t *trial) cut(ctx context.Context, f lab.Fault, meanwhile func() error) error {
	t.swarm.Mesh.Set(f)
	defer t.swarm.Mesh.Set(lab.Fault{})
	if err := t.pause(ctx, 2*time.Second, 6*time.Second); err != nil || meanwhile == nil {
		return err
	}
	return meanwhile()
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
	return t.cut(ctx, lab.Fault{Cut: func(from, to int) bool { return aside[from] != aside[to] }}, nil)
}

func (t *trial) parted(ctx context.Context) error { return t.part(ctx, "parted", 2) }
func (t *trial) alone(ctx context.Context) error  { return t.part(ctx, "alone", 1) }

func (t *trial) pair(ctx context.Context) error {
	two := t.order()[:2]
	a, b := two[0].Index, two[1].Index
	t.count("pair", "%s and %s", two[0].Name, two[1].Name)
	return t.cut(ctx, lab.Fault{Cut: func(from, to int) bool { return from == a && to == b || from == b && to == a }}, nil)
}

func (t *trial) oneWay(ctx context.Context) error {
	two := t.order()[:2]
	a, b := two[0].Index, two[1].Index
	t.count("one-way", "from %s to %s", two[0].Name, two[1].Name)
	return t.cut(ctx, lab.Fault{Cut: func(from, to int) bool { return from == a && to == b }}, nil)
}

// loss kills a registry, too, while packets are lost, every other time.
func (t *trial) loss(ctx context.Context) error {
	t.count("loss", "5 %%, 30 %% in bursts")
	var meanwhile func() error
	if t.random.IntN(2) == 0 {
		meanwhile = func() error { return t.kill(ctx) }
	}
	return t.cut(ctx, lab.Fault{Loss: 0.05, Burst: 0.3}, meanwhile)
}
