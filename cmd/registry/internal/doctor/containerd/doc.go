// Package containerd reads the files by which containerd on this machine learns where to pull
// images from, and puts mirrors into them.
//
//	for _, f := range containerd.Files("/") {
//		fmt.Println(f.Path, f.Of, f.Hosts, f.Err)
//	}
//	dirs, err := containerd.Directories("/")
//	edits, err := containerd.Add(dirs[0], []string{"docker.io"}, []containerd.Mirror{{URL: "http://127.0.0.1:5000"}})
//
// It knows hosts.toml below /etc/containerd/certs.d and below the config_path of
// /etc/containerd/config.toml (https://github.com/containerd/containerd/blob/main/docs/hosts.md),
// and the registries.yaml of k3s and rke2 (https://docs.k3s.io/installation/private-registry). Of
// the configurations of containerd, k3s, rke2 and Talos it reads config_path, without which a kubelet's
// pulls ignore each hosts.toml.
//
// Limits: the deprecated mirrors in containerd's own configuration are not read, nor a configuration
// elsewhere. nerdctl and ctr find a hosts.toml in another way.
package containerd
