// Package catalog makes distribution list repositories by seeking. distribution's own way
// walks over everything that a repository holds, and panics when one repository lies inside
// another.
//
//	catalog.Install(config, driver) // before the registry is made
//
// Limits: it makes the list and nothing else: authorization, bounds and paging stay
// distribution's. Its middleware cannot be configured by hand.
package catalog

import (
	"context"
	"fmt"
	"io"

	"github.com/distribution/distribution/v3"
	"github.com/distribution/distribution/v3/configuration"
	middleware "github.com/distribution/distribution/v3/registry/middleware/registry"
	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// Name is the middleware's name under `middleware: registry:`.
const Name = "ipfs-catalog"

// driverOption is the middleware's option that carries the driver.
const driverOption = "driver"

func init() {
	if err := middleware.Register(Name, wrap); err != nil {
		panic(err) // another package of this binary has the name
	}
}

// Install makes a registry list repositories through its driver. It sits below any other
// configured middleware, and so below authorization, limits and paging, which stay
// distribution's.
func Install(config *configuration.Configuration, d *driver.Driver) {
	ours := configuration.Middleware{Name: Name, Options: configuration.Parameters{driverOption: d}}
	if config.Middleware == nil {
		config.Middleware = map[string][]configuration.Middleware{}
	}
	config.Middleware["registry"] = append([]configuration.Middleware{ours}, config.Middleware["registry"]...)
}

func wrap(_ context.Context, next distribution.Namespace, _ storagedriver.StorageDriver, options map[string]any) (distribution.Namespace, error) {
	d, ok := options[driverOption].(*driver.Driver)
	remover, removes := next.(distribution.RepositoryRemover)
	if !ok || !removes {
		return nil, fmt.Errorf("%s cannot be configured: this registry sets it itself", Name)
	}
	return namespace{next, remover, d}, nil
}

// namespace is distribution's registry with another list of repositories.
type namespace struct {
	distribution.Namespace
	distribution.RepositoryRemover
	driver *driver.Driver
}

// Repositories implements distribution.Namespace.
func (n namespace) Repositories(ctx context.Context, repos []string, last string) (int, error) {
	names, more, err := n.driver.Repositories(ctx, len(repos), last)
	if err != nil {
		return 0, err
	}
	copy(repos, names)
	if !more {
		return len(names), io.EOF
	}
	return len(names), nil
}
