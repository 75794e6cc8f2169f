// Package engine opens the packages of which a registry's storage is made (the rooms of
// docs/design.md), lends them to each other, starts and closes them, and reports the state
// that they make up together. It alone knows all of them.
//
//	e, err := engine.Open(ctx, engine.Config{Path: "/var/lib/registry/ipfs", Topic: "ipfs-registry", …})
//	defer e.Close()
//	entry, err := e.Paths.View().Get(path)
//	body, err := e.Transfers.Open(ctx, dag.Ref{CID: entry.CID, Size: entry.Size}, 0)
//	err = e.Start(routes) // only now are other registries dialed
//
// What concerns one room is asked of that room. What concerns several of them, the swarm,
// this registry's keys or the datastore's files is a method of Engine.
//
// Limits: one process opens a datastore at a time. The package does not know what a path
// means: package driver tells manifests from layers, and uploads from blobs.
package engine
