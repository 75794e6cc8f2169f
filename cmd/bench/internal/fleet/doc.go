// Package fleet is the processes that are measured, and their clients: registries in a swarm,
// alone on the filesystem driver and behind a cache, and the rivals of package rival.
//
//	s, err := fleet.StartSwarm(ctx, "bin/registry", fleet.Fastest(), dir, lab.Here(), lab.Here())
//	defer s.Stop()
//	blob := fleet.NewBlob(64 << 20)
//	_, err = s[0].Push(ctx, blob)
//	took, err := s[1].Pull(ctx, blob)
//
// Limits: Linux, whose /proc tells what a process takes; a client checks the length of what
// it pulls, not the digest.
package fleet
