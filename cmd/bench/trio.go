package main

import (
	"context"
	"errors"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/lab"
)

// trio is upstream's filesystem driver, and two registries that share their
// storage, on loopback.
type trio struct{ fs, a, b *registry }

// withTrio measures something with a new trio.
func (b *bench) withTrio(ctx context.Context, measure func(*trio) error) (err error) {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	fs, err := startFilesystem(ctx, b.binary, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fs.stop()) }()
	s, err := startSwarm(ctx, b.binary, fastest(), dir, lab.Here(), lab.Here())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	return measure(&trio{fs: fs, a: s[0], b: s[1]})
}
