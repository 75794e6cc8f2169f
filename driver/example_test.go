package driver_test

import (
	"context"
	"fmt"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"

	// This import alone registers "ipfs" in a copy of distribution's main.
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// Open the driver, use it, and hand it to distribution's registry. Close it when
// the registry has stopped: distribution never does.
func ExampleNew() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	p := driver.DefaultParameters()
	p.DatastorePath = dir
	p.Offline = true // a single registry; leave it out and set a protector key for a swarm
	p.LogLevel = "error"

	ctx := context.Background()
	d, err := driver.New(ctx, p)
	if err != nil {
		panic(err)
	}
	defer func() { _ = d.Close() }()

	if err := d.PutContent(ctx, "/greeting", []byte("hello")); err != nil {
		panic(err)
	}
	content, err := d.GetContent(ctx, "/greeting")
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", content)

	config := &configuration.Configuration{Storage: configuration.Storage{}}
	config.Storage[driver.Name] = configuration.Parameters{driver.OpenedKey: d}
	fmt.Println(config.Storage.Type())
	// Output:
	// hello
	// ipfs
}
