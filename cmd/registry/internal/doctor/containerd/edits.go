package containerd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/atomicfile"
)

// Directories are those in which each containerd below a root directory looks for the directories of
// registries: of each the list of its config_path. A configuration that names none is an error.
func Directories(root string) (all [][]string, err error) {
	daemons := daemonsOf(root)
	for _, d := range daemons {
		dirs := d.dirs
		switch {
		case len(dirs) > 0:
		case d.unknown && d.config == filepath.Join(root, "etc/cri/containerd.toml"):
			dirs = []string{filepath.Join(root, talosDirectory)}
		case d.unknown:
			dirs = []string{filepath.Join(root, defaultDirectory)}
		default:
			return nil, fmt.Errorf("%s names no config_path: set it to \"/%s\" in the registry section of the CRI plugin, and restart containerd", d.config, defaultDirectory)
		}
		if !slices.ContainsFunc(all, func(has []string) bool { return slices.Equal(has, dirs) }) {
			all = append(all, dirs)
		}
	}
	if len(daemons) == 0 {
		if _, err := os.Stat(filepath.Join(root, filepath.Dir(defaultDirectory))); err != nil {
			return nil, fmt.Errorf("no configuration of containerd, k3s, rke2 or Talos is below %s: name the directory of its config_path", root)
		}
		all = [][]string{{filepath.Join(root, defaultDirectory)}}
	}
	return all, nil
}

// upstream is a host with or without a port.
var upstream = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`)

// CheckRegistry says why a name is none that a directory may have.
func CheckRegistry(of string) error {
	switch {
	case of == DefaultRegistry:
		return nil
	case of == "index.docker.io" || of == "registry-1.docker.io":
		return fmt.Errorf("%q: its images are named docker.io/…: name docker.io", of)
	case !upstream.MatchString(of):
		return fmt.Errorf("%q is no registry: name a host such as docker.io, a host with its port, or %s for all that have no directory", of, DefaultRegistry)
	}
	return nil
}

// Add is what is written to have mirrors asked before some registries. dirs is the list of a
// config_path. Nothing is written yet.
func Add(dirs, registries []string, mirrors []Mirror) (edits []atomicfile.Edit, err error) {
	for _, of := range registries {
		if err := CheckRegistry(of); err != nil {
			return nil, err
		}
		e, err := editOf(filepath.Join(directoryOf(dirs, of), "hosts.toml"), func(content []byte) ([]byte, error) { return withMirrors(content, mirrors) })
		if err != nil {
			return nil, err
		}
		edits = append(edits, e)
	}
	return edits, nil
}

// Remove is what is written to have no mirrors of Add asked before some registries; none: before any.
// Nothing is written yet. A file of which nothing is left is removed. One that cannot be changed is an error, and
// does not keep the others.
func Remove(dirs, registries []string) (edits []atomicfile.Edit, err error) {
	for _, of := range registries {
		if err := CheckRegistry(of); err != nil {
			return nil, err
		}
	}
	var errs []error
	for _, dir := range dirs {
		for _, path := range hostsFiles(dir) {
			if len(registries) > 0 && !slices.Contains(registries, registryOf(filepath.Base(filepath.Dir(path)))) {
				continue
			}
			e, err := editOf(path, withoutMirrors)
			if errors.Is(err, errGenerated) { // without a mirror of Add
				continue
			}
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if len(bytes.TrimSpace(e.After)) == 0 && e.Changes() {
				e.After = nil
			}
			if e.Changes() {
				edits = append(edits, e)
			}
		}
	}
	return edits, errors.Join(errs...)
}

// directoryOf is the directory that containerd reads for a registry, or would if it were there: the
// first of those in its order.
func directoryOf(dirs []string, of string) string {
	name := of
	if host, port, ok := strings.Cut(of, ":"); ok {
		name = host + "_" + port + "_"
	}
	for _, dir := range dirs {
		for _, name := range []string{name, of} {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				return filepath.Join(dir, name)
			}
		}
	}
	return filepath.Join(dirs[0], name)
}

// errGenerated reports a file that is not edited.
var errGenerated = errors.New("k3s or rke2 makes it anew when it starts: name the mirror in its registries.yaml")

func editOf(path string, edit func([]byte) ([]byte, error)) (e atomicfile.Edit, err error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		path = real // a rename would put a file in the place of the link
	} else if to, err := os.Readlink(path); err == nil {
		return e, fmt.Errorf("%s: leads to %s, which is not there: make that file, or remove the link", path, to)
	}
	e.Path, e.Directory = path, true
	e.Before, err = atomicfile.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = certificates(filepath.Dir(path))
	case generated(e.Before):
		return e, fmt.Errorf("%s: %w", path, errGenerated)
	}
	if err == nil {
		e.After, err = edit(e.Before)
	}
	if err != nil {
		return e, fmt.Errorf("%s: %w", path, err)
	}
	return e, nil
}

// certificates fails when a directory has some: containerd reads them only while there is no hosts.toml.
func certificates(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if slices.Contains([]string{".crt", ".cert", ".key"}, filepath.Ext(e.Name())) {
			return fmt.Errorf("containerd would no longer read %s beside it: write a hosts.toml that names it as ca or client, and run this again", e.Name())
		}
	}
	return nil
}
