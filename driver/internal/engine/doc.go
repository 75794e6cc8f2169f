// Package engine opens the rooms of a registry's storage, lends them to each other, starts
// and closes them, and tells the state that they make up together. It alone knows them all.
//
//	e, err := engine.Open(ctx, engine.Config{Path: "/var/lib/registry/ipfs", Topic: "ipfs-registry", …})
//	defer e.Close()
//	entry, err := e.Paths.View().Get(path)
//	body, err := e.Transfers.Open(ctx, dag.Ref{CID: entry.CID, Size: entry.Size}, 0)
//	err = e.Start(answers) // only now are other registries dialed
//
// What takes one room is asked of the room; what takes several of them, the swarm, this
// registry's keys or the datastore's files is a method of Engine.
//
// Limits: one process opens a datastore at a time. The package knows no path's meaning: what
// tells manifests from layers, and uploads from blobs, is driver.
package engine
