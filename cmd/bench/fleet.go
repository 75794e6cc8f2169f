package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/lab"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

// fleet is upstream's filesystem driver, and two registries that share their
// storage, on loopback.
type fleet struct{ fs, a, b *registry }

const fsConfig = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: %s, draintimeout: 5s, secret: bench}
`

// withFleet measures something with a new fleet.
func (b *bench) withFleet(ctx context.Context, measure func(*fleet) error) (err error) {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	fs, err := b.startFilesystem(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fs.stop()) }()
	s, err := b.startSwarm(ctx, fastest(), dir, lab.Here(), lab.Here())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	return measure(&fleet{fs: fs, a: s[0], b: s[1]})
}

func (b *bench) startFilesystem(ctx context.Context, dir string) (*registry, error) {
	web, err := loopback.FreeAddr()
	if err != nil {
		return nil, err
	}
	r := &registry{Registry: process.Registry{Name: "filesystem", Config: dir + "/fs.yml", HTTP: web}}
	if err := os.WriteFile(r.Config, fmt.Appendf(nil, fsConfig, dir+"/fs", web), 0o600); err != nil {
		return nil, err
	}
	return start(ctx, lab.Here(), b.binary, r)
}
