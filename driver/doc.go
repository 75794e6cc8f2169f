// Package driver is the storage driver "ipfs" for CNCF distribution v3: a
// registry whose storage is shared peer to peer with other registries.
//
// Importing it registers the driver, configured by the `ipfs:` block:
//
//	import _ "github.com/distribution-ipfs/distribution-ipfs/driver"
//
//	storage:
//	  ipfs:
//	    protectorkeyfile: /etc/registry/swarm.key
//	    bootstrappers: /dns4/registry-a/tcp/4619/p2p/12D3Koo…
//
// A program that wires the driver itself opens it with New and closes it with Close. To
// hand the open driver to distribution, put it into the driver's own parameters:
//
//	d, err := driver.New(ctx, params)
//	defer d.Close()
//	config.Storage["ipfs"] = configuration.Parameters{"driver": d}
//
// Paths under a repository's _uploads, and /scheduler-state.json, are local to this
// registry. Every other path gains an entry in the path map, and its bytes become a blob
// that the other registries can fetch.
//
// Limits: one process opens a datastore at a time; what is deleted leaves the disk when its
// garbage is collected, which waits for members that are away.
package driver
