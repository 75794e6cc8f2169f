package main

import (
	"context"
	"errors"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/fleet"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
)

// trio is upstream's filesystem driver, and two registries that share their
// storage, on loopback.
type trio struct{ fs, a, b *fleet.Registry }

// withTrio measures something with a new trio.
func (b *bench) withTrio(ctx context.Context, measure func(*trio) error) (err error) {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	fs, err := fleet.StartFilesystem(ctx, b.binary, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fs.Stop()) }()
	s, err := fleet.StartSwarm(ctx, b.binary, fleet.Fastest(), dir, lab.Here(), lab.Here())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	return measure(&trio{fs: fs, a: s[0], b: s[1]})
}
