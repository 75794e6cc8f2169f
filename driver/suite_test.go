package driver_test

import (
	"testing"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/testsuites"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestSuite is distribution's own, over one peer.
func TestSuite(t *testing.T) {
	p := drivertest.Parameters(t, drivertest.Key(t))
	m := drivertest.Start(t, p)
	testsuites.Driver(t, func() (storagedriver.StorageDriver, error) { return m.Driver, nil }, false)
}
