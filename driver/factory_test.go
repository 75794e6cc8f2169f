package driver_test

import (
	"context"
	"testing"

	"github.com/distribution/distribution/v3/registry/storage/driver/factory"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestImportRegistersTheDriver which distribution opens by its name, and which is
// closed when distribution's context ends.
func TestImportRegistersTheDriver(t *testing.T) {
	p := drivertest.Parameters(t, drivertest.Key(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d, err := factory.Create(ctx, "ipfs", map[string]any{
		"protectorkey": p.ProtectorKey, "datastorepath": p.DatastorePath, "loglevel": "error",
		"listenaddrs": p.ListenAddrs[0], "dataaddrs": p.DataAddrs[0],
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.PutContent(ctx, "/a/link", []byte("content")); err != nil {
		t.Fatal(err)
	}
	if got, err := d.GetContent(ctx, "/a/link"); err != nil || string(got) != "content" || d.Name() != "ipfs" {
		t.Errorf("%s: %q %v", d.Name(), got, err)
	}
	if _, err := driver.NewClient(p).Status(t.Context()); err != nil {
		t.Errorf("it is not open: %v", err)
	}
	cancel()
	drivertest.Await(t, "the datastore is closed", func() bool {
		_, err := driver.Identify(t.Context(), p)
		return err == nil
	})
}
