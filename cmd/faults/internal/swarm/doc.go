// Package swarm runs registries and does to them what happens to machines: they are killed,
// suspended, cut off from each other, and lose their disks.
//
//	s, err := swarm.Open(ctx, swarm.Options{Binary: "bin/registry", Dir: dir, Members: 5, Lab: l, DiskMiB: 1024})
//	defer s.Close()
//	s.Members[0].Kill()
//	err = s.Heal(ctx)
//	err = s.Agree(ctx) // all are connected, and have the same map
//
// Limits: with no Lab the registries are on loopback and cannot be cut off; with DiskMiB 0
// their disks cannot be filled. One goroutine does things to registries, while others may
// use their clients, and ask for their Life and Run.
package swarm
