package podman

import (
	"errors"
	"io/fs"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/atomicfile"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/doctor/containerd"
)

// certificates has a directory for each host, with the authorities of its certificate.
const certificates = "etc/containers/certs.d"

// source is a place that images are pulled from.
type source struct {
	Location string `toml:"location"`
	Insecure bool   `toml:"insecure"`
}

// table is what a file says of the images of one registry.
type table struct {
	source
	Prefix  string   `toml:"prefix"`
	Blocked bool     `toml:"blocked"`
	Mirrors []source `toml:"mirror"`
}

// of are the images that a table is about.
func (t table) of() string {
	if t.Prefix != "" {
		return strings.TrimRight(t.Prefix, "/")
	}
	return strings.TrimRight(t.Location, "/")
}

// Files are what Podman and CRI-O read below a root directory: one for each table that counts, and one for each
// file that cannot be read. Of two tables of the same images the last counts.
func Files(root string) (all []containerd.File) {
	for _, path := range append([]string{filepath.Join(root, configuration)}, dropIns(root)...) {
		var file struct {
			Registry []table `toml:"registry"`
		}
		content, err := atomicfile.Read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = toml.Unmarshal(content, &file)
		}
		if err != nil {
			all = append(all, containerd.File{Path: path, Err: err})
		}
		for _, t := range file.Registry {
			all = slices.DeleteFunc(all, func(f containerd.File) bool { return f.Err == nil && f.Of == t.of() })
			if !t.Blocked {
				all = append(all, t.file(root, path))
			}
		}
	}
	return all
}

// file has the places of a table in the order in which they are asked.
func (t table) file(root, path string) containerd.File {
	f := containerd.File{Path: path, Of: t.of(), Itself: t.Location == "" || strings.TrimRight(t.Location, "/") == t.of()}
	last := t.source
	if last.Location == "" {
		last.Location = t.of()
	}
	for _, s := range append(slices.Clone(t.Mirrors), last) {
		if u := s.url(); u != nil {
			f.Hosts = append(f.Hosts, containerd.Host{URL: u, API: "/v2", Pulls: true, Insecure: s.Insecure, CA: authorities(root, u.Host)})
		}
	}
	return f
}

// url is where a source is; nil for that of a wildcard, or of nothing.
func (s source) url() *url.URL {
	scheme := "https"
	if s.Insecure { // or HTTPS, with any certificate
		scheme = "http"
	}
	u, err := url.Parse(scheme + "://" + s.Location)
	if err != nil || u.Host == "" || strings.HasPrefix(u.Host, "*") {
		return nil
	}
	return u
}

// authorities are the files with those of a host's certificate.
func authorities(root, host string) (files []string) {
	dir := filepath.Join(root, certificates, host)
	for _, name := range namesIn(dir, ".crt") {
		files = append(files, filepath.Join(dir, name))
	}
	return files
}
