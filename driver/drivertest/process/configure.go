package process

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
// more of its ipfs: block, in which minfree is 0 unless they say otherwise: whatever the disk of
// this machine is like. Of the registry's fields it sets those that are empty: Config,
// Data and Log to what lies in Dir, HTTP and Listen.
func (r *Registry) Configure(lines ...string) error {
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return fmt.Errorf("configure %s: %w", r.Name, err)
	}
	for field, name := range map[*string]string{&r.Config: "config.yml", &r.Data: "data", &r.Log: "log"} {
		if *field == "" {
			*field = filepath.Join(r.Dir, name)
		}
	}
	for _, addr := range []*string{&r.Listen, &r.HTTP} {
		if *addr != "" {
			continue
		}
		free, err := loopback.FreeAddr()
		if err != nil {
			return fmt.Errorf("configure %s: %w", r.Name, err)
		}
		*addr = free
	}
	host, port, err := net.SplitHostPort(r.Listen)
	if err != nil {
		return fmt.Errorf("configure %s: %w", r.Name, err)
	}
	block := append([]string{
		"datastorepath: " + r.Data,
		fmt.Sprintf("listenaddrs: /ip4/%s/tcp/%s", host, port), fmt.Sprintf("dataaddrs: /ip4/%s/tcp/0", host),
	}, lines...)
	if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "minfree:") }) {
		block = append(block, "minfree: 0")
	}
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
