// Package gather looks at a configuration and at this machine for package doctor.
//
//	facts.Config = gather.Config(config, parameters)
//	facts.Machine = gather.Machine(ctx, config, parameters, running)
//
// Limits: it changes nothing and makes nothing. It asks no peer, and of HTTP only the hosts that
// files of containerd, Podman and CRI-O name and that lead to this registry.
package gather
