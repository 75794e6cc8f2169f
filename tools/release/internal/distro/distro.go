// Package distro writes the packages of a release for Debian and for RPM, by nfpm: the same, byte by
// byte, for the same files.
//
// What is in them besides the binary, man pages and completion is in deploy/package: the unit, the
// configuration, and the scripts that run when a package comes and goes.
package distro

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"
)

// Package is what one is made of: for one architecture, as Go names it.
type Package struct {
	Name, Version, Arch, Variant string
	Date                         time.Time // of every file
	Binary, Parts, License       string    // files: parts is the SPDX document
	Shared                       string    // a directory with man/, completion/ and CHANGES.md
	Assets                       string    // deploy/package
}

// format is one of the two, and what is different in it.
type format struct {
	kind string // deb or rpm
	nfpm.Packager
	zsh     string // where zsh looks for completion
	scripts nfpm.Scripts
	depends []string
}

// Write writes both packages into a directory, by the names that each of the two worlds has for them.
func Write(dir string, p Package) error {
	work, err := os.MkdirTemp("", "packages-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	for _, f := range p.formats() {
		if err := p.write(dir, work, f); err != nil {
			return fmt.Errorf("%s for %s%s: %w", f.kind, p.Arch, p.Variant, err)
		}
	}
	return nil
}

func (p Package) formats() []format {
	script := func(file ...string) string { return filepath.Join(append([]string{p.Assets}, file...)...) }
	return []format{
		{
			"deb", deb.Default, "/usr/share/zsh/vendor-completions",
			nfpm.Scripts{PostInstall: script("deb", "postinst"), PreRemove: script("deb", "prerm"), PostRemove: script("deb", "postrm")},
			[]string{"passwd"},
		},
		{
			"rpm", rpm.DefaultRPM, "/usr/share/zsh/site-functions",
			nfpm.Scripts{PostInstall: script("rpm", "post"), PreRemove: script("rpm", "preun"), PostRemove: script("rpm", "postun")},
			[]string{"/usr/sbin/useradd", "/usr/sbin/groupadd"},
		},
	}
}

func (p Package) write(dir, work string, f format) (err error) {
	contents, err := p.contents(work, f)
	if err != nil {
		return err
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: p.Name, Version: p.Version, Release: "1", Platform: "linux", Arch: p.arch(), MTime: p.Date, DisableGlobbing: true,
		Section: "net", Priority: "optional", License: "Apache-2.0",
		Maintainer: "The distribution-ipfs maintainers <maintainers@users.noreply.github.com>",
		Homepage:   "https://github.com/distribution-ipfs/distribution-ipfs",
		Description: "Container registry whose storage is shared peer to peer\n" +
			"Push to any registry of a swarm, pull from any other. It is CNCF distribution\n" +
			"with a storage driver that needs no object store, no database and no coordinator.",
		Overridables: nfpm.Overridables{
			Contents: contents, Scripts: f.scripts, Depends: f.depends, Recommends: []string{"ca-certificates"},
			RPM: nfpm.RPM{BuildHost: "localhost", Group: "System Environment/Daemons", Summary: "Container registry whose storage is shared peer to peer"},
		},
	})
	out, err := os.Create(filepath.Join(dir, f.ConventionalFileName(info)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return f.Package(info, out)
}

// arch is the architecture as nfpm names it, which knows how Debian and RPM do.
func (p Package) arch() string {
	if p.Arch == "arm" {
		return p.Arch + p.Variant[len("v"):]
	}
	return p.Arch
}

// contents are the files of a package, of which work has the compressed ones.
func (p Package) contents(work string, f format) (files.Contents, error) {
	doc := "/usr/share/doc/" + p.Name
	all := files.Contents{
		file(p.Binary, "/usr/bin/registry", 0o755),
		directory("/etc/registry"),
		config(filepath.Join(p.Assets, "config.yml"), "/etc/registry/config.yml"),
		file(filepath.Join(p.Assets, "registry.service"), "/usr/lib/systemd/system/registry.service", 0o644),
		file(filepath.Join(p.Shared, "completion", "registry.bash"), "/usr/share/bash-completion/completions/registry", 0o644),
		file(filepath.Join(p.Shared, "completion", "_registry"), f.zsh+"/_registry", 0o644),
		file(filepath.Join(p.Shared, "completion", "registry.fish"), "/usr/share/fish/vendor_completions.d/registry.fish", 0o644),
		file(p.Parts, doc+"/sbom.spdx.json", 0o644),
		file(p.License, doc+"/copyright", 0o644),
	}
	pages, err := filepath.Glob(filepath.Join(p.Shared, "man", "*.1"))
	if err != nil {
		return nil, err
	}
	compressed := map[string]string{filepath.Join(p.Shared, "CHANGES.md"): doc + "/changelog.gz"}
	for _, page := range pages {
		compressed[page] = "/usr/share/man/man1/" + filepath.Base(page) + ".gz"
	}
	for from, to := range compressed {
		name := filepath.Join(work, filepath.Base(to))
		if err := compress(name, from); err != nil {
			return nil, err
		}
		all = append(all, file(name, to, 0o644))
	}
	return all, nil
}

func file(from, to string, mode fs.FileMode) *files.Content {
	return &files.Content{Source: from, Destination: to, FileInfo: &files.ContentFileInfo{Mode: mode}}
}

func directory(to string) *files.Content {
	return &files.Content{Destination: to, Type: files.TypeDir, FileInfo: &files.ContentFileInfo{Mode: 0o755}}
}

// config is a file that is the administrator's once it is installed.
func config(from, to string) *files.Content {
	return &files.Content{Source: from, Destination: to, Type: files.TypeConfigNoReplace, FileInfo: &files.ContentFileInfo{Mode: 0o644}}
}
