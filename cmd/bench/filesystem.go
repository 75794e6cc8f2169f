package main

import (
	"context"
	"fmt"
	"os"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/lab"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

const fsConfig = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: %s, draintimeout: 5s, secret: bench}
`

// startFilesystem starts a registry on the filesystem driver.
func startFilesystem(ctx context.Context, binary, dir string) (*registry, error) {
	web, err := loopback.FreeAddr()
	if err != nil {
		return nil, err
	}
	r := &registry{Registry: process.Registry{Name: "filesystem", Config: dir + "/fs.yml", HTTP: web}}
	if err := os.WriteFile(r.Config, fmt.Appendf(nil, fsConfig, dir+"/fs", web), 0o600); err != nil {
		return nil, err
	}
	return start(ctx, lab.Here(), binary, r)
}
