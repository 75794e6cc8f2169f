package driver_test

import (
	"context"
	"errors"
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

// Ask a registry that runs on this machine how it is, as `registry ipfs status` does.
func ExampleNewClient() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	p := driver.DefaultParameters()
	p.DatastorePath, p.Offline, p.LogLevel = dir, true, "error"
	ctx := context.Background()
	d, err := driver.New(ctx, p) // in another process, usually
	if err != nil {
		panic(err)
	}

	registry := driver.NewClient(p)
	status, err := registry.Status(ctx)
	fmt.Println(status.Network, status.Map.Entries, err)
	_, err = registry.Where(ctx, "team/app:1.4")
	if e, ok := errors.AsType[*driver.AnswerError](err); ok {
		fmt.Println(e.Status, e.Reason)
	}
	if err := d.Close(); err != nil {
		panic(err)
	}
	_, err = registry.Status(ctx)
	fmt.Println(errors.Is(err, driver.ErrNotRunning))
	// Output:
	// offline 0 <nil>
	// 404 image "team/app:1.4": this registry does not know it
	// true
}
