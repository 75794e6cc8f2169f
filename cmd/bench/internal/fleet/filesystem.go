package fleet

import (
	"context"
	"fmt"
	"os"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

const fsConfig = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: %s, draintimeout: 5s, secret: bench}
`

// StartFilesystem starts a registry on the filesystem driver.
func StartFilesystem(ctx context.Context, binary, dir string) (*Registry, error) {
	web, err := loopback.FreeAddr()
	if err != nil {
		return nil, err
	}
	r := &Registry{Registry: process.Registry{Name: "filesystem", Binary: binary, Config: dir + "/fs.yml", HTTP: web}, Space: lab.Here()}
	if err := os.WriteFile(r.Config, fmt.Appendf(nil, fsConfig, dir+"/fs", web), 0o600); err != nil {
		return nil, err
	}
	return r, r.Start(ctx)
}
