package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/lab"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

// kind is how the registries of a swarm are configured.
type kind struct {
	name     string
	dataPort bool   // bytes travel by TLS on a port of their own, else by libp2p streams
	hash     string // none: the default
}

var (
	byStreams  = kind{name: "libp2p streams"}
	byDataPort = kind{name: "data port", dataPort: true}
	byBlake3   = kind{name: "data port, blake3", dataPort: true, hash: "blake3"}
)

// known reports whether the driver with which the bench is built supports a kind.
func (k kind) known() bool {
	return (!k.dataPort || hasKey("dataaddrs", "")) && (k.hash == "" || hasKey("hash", k.hash))
}

// slug is the name as a file's.
func (k kind) slug() string { return strings.NewReplacer(" ", "-", ",", "").Replace(k.name) }

func hasKey(key, value string) bool {
	_, err := driver.ParseParameters(map[string]any{"offline": true, key: value})
	return err == nil
}

// fastest is the kind that a registry is by default.
func fastest() kind {
	if byDataPort.known() {
		return byDataPort
	}
	return byStreams
}

// text is the registry's configuration.
func (k kind) text(dir, psk, bootstrapper, addr, web, debug string) (string, error) {
	swarm, err := freePort()
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf(`version: 0.1
log: {level: error, accesslog: {disabled: true}}
http: {addr: %s, draintimeout: 5s, debug: {addr: "127.0.0.1:%s"}}
storage:
  delete: {enabled: true}
  ipfs:
    datastorepath: %s
    protectorkey: "%s"
    listenaddrs: /ip4/%s/tcp/%s
    bootstrappers: %q
`, web, debug, dir, psk, addr, swarm, bootstrapper)
	if hasKey("dataaddrs", "") {
		data, err := freePort()
		if err != nil {
			return "", err
		}
		listen := ""
		if k.dataPort {
			listen = fmt.Sprintf("/ip4/%s/tcp/%s", addr, data)
		}
		text += fmt.Sprintf("    dataaddrs: %q\n", listen)
	}
	if k.hash != "" {
		text += fmt.Sprintf("    hash: %s\n", k.hash)
	}
	return text, nil
}

func freePort() (string, error) {
	addr, err := loopback.FreeAddr()
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(addr)
	return port, err
}

// swarm is registries that share their storage, the first one in the first space.
type swarm []*registry

// startSwarm starts a registry in each space and waits until each is connected to all
// others.
func startSwarm(ctx context.Context, binary string, k kind, dir string, spaces ...*lab.Space) (s swarm, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	key, err := process.Keygen(ctx, binary)
	if err != nil {
		return s, err
	}
	bootstrapper := ""
	for i, space := range spaces {
		r, err := prepare(binary, k, string(rune('A'+i)), filepath.Join(dir, fmt.Sprintf("r%d", i)), key, bootstrapper, space)
		if err != nil {
			return s, err
		}
		if i == 0 {
			if bootstrapper, err = r.Address(ctx); err != nil {
				return s, err
			}
		}
		if r, err = start(ctx, space, binary, r); err != nil {
			return s, err
		}
		s = append(s, r)
	}
	return s, s.awaitMembers(ctx)
}

// prepare writes the configuration of a registry.
func prepare(binary string, k kind, name, dir, psk, bootstrapper string, space *lab.Space) (*registry, error) {
	web, err := loopback.FreeAddr()
	if err != nil {
		return nil, err
	}
	debug, err := freePort()
	if err != nil {
		return nil, err
	}
	text, err := k.text(dir, psk, bootstrapper, space.Addr(), web, debug)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, err
	}
	r := &registry{Registry: process.Registry{Name: name, Binary: binary, Config: dir + ".yml", Data: dir, HTTP: web}, debug: debug}
	return r, os.WriteFile(r.Config, []byte(text), 0o600)
}

func (s swarm) awaitMembers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, r := range s {
		if err := r.AwaitMembers(ctx, len(s)-1); err != nil {
			return err
		}
	}
	return nil
}

func (s swarm) stop() error {
	var errs []error
	for i := range s {
		errs = append(errs, s[len(s)-1-i].stop())
	}
	return errors.Join(errs...)
}
