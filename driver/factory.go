package driver

import (
	"context"
	"fmt"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/factory"
)

// Name is the name under which distribution knows this driver.
const Name = "ipfs"

// OpenedKey is the parameter that carries a driver that is already open.
const OpenedKey = "driver"

func init() { factory.Register(Name, driverFactory{}) }

// driverFactory implements factory.StorageDriverFactory. distribution has no way
// to close a driver: the one Create opens is closed when ctx ends, which v3.1.2
// does on shutdown without waiting for it. Open it with New to wait.
type driverFactory struct{}

func (driverFactory) Create(ctx context.Context, parameters map[string]any) (storagedriver.StorageDriver, error) {
	if opened, ok := parameters[OpenedKey]; ok {
		d, ok := opened.(*Driver)
		if !ok {
			return nil, fmt.Errorf("ipfs: %s: %T is not an open driver; leave this key out of the configuration", OpenedKey, opened)
		}
		return d, nil
	}
	p, err := ParseParameters(parameters)
	if err != nil {
		return nil, err
	}
	d, err := New(ctx, p)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = d.Close() })
	return d, nil
}
