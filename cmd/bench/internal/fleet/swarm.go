package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

func freePort() (string, error) {
	addr, err := loopback.FreeAddr()
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(addr)
	return port, err
}

// Swarm is registries that share their storage, the first one in the first space.
type Swarm []*Registry

// StartSwarm starts a registry in each space and waits until each is connected to all
// others.
func StartSwarm(ctx context.Context, binary string, k Kind, dir string, spaces ...*lab.Space) (s Swarm, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
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
		if err := r.Start(ctx); err != nil {
			return s, err
		}
		s = append(s, r)
	}
	return s, s.awaitMembers(ctx)
}

// prepare writes the configuration of a registry.
func prepare(binary string, k Kind, name, dir, psk, bootstrapper string, space *lab.Space) (*Registry, error) {
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
	r := &Registry{Registry: process.Registry{Name: name, Binary: binary, Config: dir + ".yml", Data: dir, HTTP: web}, Space: space, Debug: debug}
	return r, os.WriteFile(r.Config, []byte(text), 0o600)
}

func (s Swarm) awaitMembers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, StartTimeout)
	defer cancel()
	for _, r := range s {
		if err := r.AwaitMembers(ctx, len(s)-1); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends all, the first one last.
func (s Swarm) Stop() error {
	var errs []error
	for i := range s {
		errs = append(errs, s[len(s)-1-i].Stop())
	}
	return errors.Join(errs...)
}
