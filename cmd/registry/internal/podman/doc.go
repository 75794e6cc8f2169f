// Package podman writes and reads the files by which Podman, Buildah, Skopeo and CRI-O on this machine learn where
// to pull images from: drop-ins below /etc/containers/registries.conf.d, one for each registry whose
// images are asked for elsewhere first
// (https://github.com/containers/image/blob/main/docs/containers-registries.conf.5.md).
//
//	edits, err := podman.Add("/", []string{"docker.io"}, []podman.Mirror{{Location: "127.0.0.1:5000", Insecure: true}})
//
// Limits: a user's own ~/.config/containers/registries.conf is not looked at, with which Podman reads none
// of these; nor is CONTAINERS_REGISTRIES_CONF.
package podman
