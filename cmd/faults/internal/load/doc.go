// Package load is the clients of a swarm: they push images and indexes, pull, re-tag and delete,
// each time at another registry, and write down in a book what was acknowledged.
//
//	l := load.New(s, book, journal, seed)
//	l.Start(ctx, 8)
//	…
//	l.Stop()
//	need := l.Needed() // what images that nobody deleted are made of
//
// Each client owns the images that it pushed, and only it tags or deletes them; tags named
// moving… are pushed, and deleted, by all. Images share base layers. Some images are deleted and
// pushed again, with the same bytes.
//
// Limits: bytes are incompressible and in memory, up to some MiB a layer.
package load
