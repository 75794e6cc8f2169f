// Package pathmap is the replicated map from a path to the CID of its bytes.
//
// It owns a go-ds-crdt datastore, and decides itself what is merged into it and in which
// order: every registry of a swarm reaches the same map, even when messages between them
// are lost, reordered or cut.
//
//	m, err := pathmap.Open(ctx, pathmap.Config{Store: badger, Self: id, Swarm: peer, Log: log})
//	err = m.Put(ctx, "/docker/registry/v2/…/link", pathmap.Entry{CID: c, Size: 71, ModTime: now})
//	e, err := m.View().Get("/docker/registry/v2/…/link")
//
// A write of a path goes to a key of its own, "<path>:<version>", in one delta with the
// deletes of the versions it saw (docs/decisions/0001-versions.md). The map in memory is an
// immutable ordered snapshot: a reader never waits for a writer. Beside the paths it
// replicates settings, which hold for all registries of a swarm.
//
// Limits: all paths are held in memory, some 240 bytes each (TestMemoryOfTheMap: 228
// after a million were written, 241 after they were read from disk); of each
// delta its name stays for ever, 42 bytes on disk (0035-compaction.md); one process opens a map at a time.
package pathmap
