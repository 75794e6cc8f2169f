package containerd

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/pelletier/go-toml/v2"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/atomicfile"
)

// maxImports is how many files that a configuration imports are read.
const maxImports = 64

// defaultDirectory is where the files are that all manuals write, and talosDirectory where Talos has them.
const (
	defaultDirectory = "etc/containerd/certs.d"
	talosDirectory   = "etc/cri/conf.d/hosts"
)

// configs are those of containerd itself, of k3s, of rke2 and of Talos.
var configs = []string{
	"etc/containerd/config.toml",
	"var/lib/rancher/k3s/agent/etc/containerd/config.toml",
	"var/lib/rancher/rke2/agent/etc/containerd/config.toml",
	"etc/cri/containerd.toml",
}

// daemon is a containerd whose configuration is on this machine, and which pulls for a kubelet.
type daemon struct {
	config  string   // its path
	dirs    []string // of its config_path
	unknown bool     // what it reads: the file cannot be read, or the release has a default
}

// daemonsOf are those whose configuration is below a root directory, without those that have no CRI
// plugin, which alone reads config_path.
func daemonsOf(root string) (all []daemon) {
	for _, config := range configs {
		path := filepath.Join(root, config)
		settings, err := settingsOf(root, path)
		if errors.Is(err, fs.ErrNotExist) || settings.disabled {
			continue
		}
		d := daemon{config: path, unknown: err != nil || settings.path == nil && settings.version >= 3}
		if settings.path != nil {
			for _, named := range filepath.SplitList(*settings.path) {
				d.dirs = append(d.dirs, filepath.Join(root, named))
			}
		}
		all = append(all, d)
	}
	return all
}

// settings are what a containerd's configuration says of the files.
type settings struct {
	version  int
	disabled bool    // there is no CRI plugin
	path     *string // config_path; nil: it is not set. containerd has a default since 2.1, before that none
	imports  []string
}

// settingsOf reads a configuration, and what it imports.
func settingsOf(root, path string) (settings, error) {
	s, err := readSettings(path)
	if err != nil {
		return s, err
	}
	for _, pattern := range s.imports {
		if filepath.IsAbs(pattern) {
			pattern = filepath.Join(root, pattern)
		} else {
			pattern = filepath.Join(filepath.Dir(path), pattern)
		}
		files, err := filepath.Glob(pattern)
		if err != nil {
			return s, err
		}
		for _, file := range files[:min(len(files), maxImports)] {
			more, err := readSettings(file)
			if err != nil {
				return s, err
			}
			s.disabled = s.disabled || more.disabled
			if more.path != nil {
				s.path = more.path
			}
		}
	}
	return s, nil
}

// plugins are the names of the one that reads config_path, from the first version of the file to
// the third.
var plugins = []string{"cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images"}

func readSettings(path string) (s settings, err error) {
	content, err := atomicfile.Read(path)
	if err != nil {
		return s, err
	}
	var file struct {
		Version  int            `toml:"version"`
		Imports  []string       `toml:"imports"`
		Disabled []string       `toml:"disabled_plugins"`
		Plugins  map[string]any `toml:"plugins"`
	}
	if err := toml.Unmarshal(content, &file); err != nil {
		return s, err
	}
	s.version, s.imports = file.Version, file.Imports[:min(len(file.Imports), maxImports)]
	for _, name := range plugins {
		s.disabled = s.disabled || slices.Contains(file.Disabled, name)
		plugin, _ := file.Plugins[name].(map[string]any)
		registry, _ := plugin["registry"].(map[string]any)
		if path, ok := registry["config_path"].(string); ok {
			s.path = &path
		}
	}
	return s, nil
}

// directories are those in which there may be a hosts.toml for each registry, in order.
func directories(root string, all []daemon) []string {
	dirs := map[string]bool{filepath.Join(root, defaultDirectory): true}
	for _, d := range all {
		for _, dir := range d.dirs {
			dirs[dir] = true
		}
	}
	return slices.Sorted(maps.Keys(dirs))
}

// ignoredBy is the configuration of the first that does not read a directory; "" where one does,
// or may.
func ignoredBy(all []daemon, dir string) (config string) {
	for _, d := range slices.Backward(all) {
		if d.unknown || slices.Contains(d.dirs, dir) {
			return ""
		}
		config = d.config
	}
	return config
}
