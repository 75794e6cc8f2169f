// Package containerd reads the files by which containerd on this machine learns where to pull
// images from.
//
//	for _, f := range containerd.Files("/") {
//		fmt.Println(f.Path, f.Of, f.Hosts, f.Err)
//	}
//
// It knows hosts.toml below /etc/containerd/certs.d
// (https://github.com/containerd/containerd/blob/main/docs/hosts.md), and the registries.yaml of
// k3s and rke2 (https://docs.k3s.io/installation/private-registry).
//
// Limits: a config_path elsewhere is not found, and neither is what is written in containerd's own
// configuration.
package containerd
