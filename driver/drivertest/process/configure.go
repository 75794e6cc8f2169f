package process

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
)

const configuration = `version: 0.1
log: {accesslog: {disabled: true}}
storage:
  delete: {enabled: true}
  ipfs:
    %s
http:
  addr: %s
  draintimeout: 5s
`

// Configure writes a configuration of the ipfs driver on free ports of loopback. Lines are
// more of its ipfs: block. Of the registry's fields it sets those that are empty: Config,
// Data and Log to what lies in Dir, and HTTP.
func (r *Registry) Configure(lines ...string) error {
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return fmt.Errorf("configure %s: %w", r.Name, err)
	}
	for field, name := range map[*string]string{&r.Config: "config.yml", &r.Data: "data", &r.Log: "log"} {
		if *field == "" {
			*field = filepath.Join(r.Dir, name)
		}
	}
	swarm, err := loopback.FreeAddr()
	if err == nil && r.HTTP == "" {
		r.HTTP, err = loopback.FreeAddr()
	}
	if err != nil {
		return fmt.Errorf("configure %s: %w", r.Name, err)
	}
	_, port, _ := net.SplitHostPort(swarm)
	block := append([]string{"datastorepath: " + r.Data, "listenaddrs: /ip4/127.0.0.1/tcp/" + port, "dataaddrs: /ip4/127.0.0.1/tcp/0"}, lines...)
	text := fmt.Sprintf(configuration, strings.Join(block, "\n    "), r.HTTP)
	if err := os.WriteFile(r.Config, []byte(text), 0o600); err != nil {
		return fmt.Errorf("configure %s: %w", r.Name, err)
	}
	return nil
}

// Keygen returns a new protector key, in one line.
func Keygen(ctx context.Context, binary string) (string, error) {
	out, err := exec.CommandContext(ctx, binary, "ipfs", "keygen").Output()
	if err != nil {
		return "", fmt.Errorf("make a protector key: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
