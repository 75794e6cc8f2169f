package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/tools/release/internal/archive"
	"github.com/distribution-ipfs/distribution-ipfs/tools/release/internal/distro"
	"github.com/distribution-ipfs/distribution-ipfs/tools/release/internal/sbom"
)

// name is what the files of a release begin with, and what its packages are called.
const name = "distribution-ipfs"

// release is what is made, of what, and where.
type release struct {
	root, out, version string
	targets            []target
	commit             string
	date               time.Time // of the commit, in UTC: of every file, too
}

// make makes all of it. Binaries as they are, and what they write of themselves, stay below build/, where
// the image is made of them.
func (r *release) make(ctx context.Context) error {
	if err := r.readCommit(ctx); err != nil {
		return err
	}
	if err := empty(r.out); err != nil {
		return err
	}
	for _, t := range r.targets {
		log.Printf("build for %s", t)
		if err := r.build(ctx, t); err != nil {
			return err
		}
	}
	shared, err := r.shared(ctx)
	if err != nil {
		return err
	}
	for _, t := range r.targets {
		log.Printf("pack for %s", t)
		if err := r.pack(t, shared); err != nil {
			return err
		}
	}
	return r.sums()
}

// empty makes a directory of a release, or empties it: one that has something else in it is left alone.
func empty(dir string) error {
	marked := filepath.Join(dir, "build")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(marked); len(entries) > 0 && err != nil {
		return fmt.Errorf("-out: %s has files in it that are of no release: name another directory", dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.MkdirAll(marked, 0o755)
}

// pack writes the archive, the list of parts and the packages of one platform.
func (r *release) pack(t target, shared []archive.File) error {
	base := filepath.Join(r.out, fmt.Sprintf("%s-%s-%s", name, r.version, t))
	parts := base + ".spdx.json"
	if err := sbom.Write(parts, r.binary(t), sbom.Release{Name: name, Version: r.version, Platform: t.String(), Commit: r.commit, Date: r.date}); err != nil {
		return err
	}
	files := append([]archive.File{{Name: "registry", Path: r.binary(t), Mode: 0o755}, {Name: "sbom.spdx.json", Path: parts}}, shared...)
	if err := archive.Write(base+".tar.gz", filepath.Base(base), files, r.date); err != nil {
		return err
	}
	if t.os != "linux" {
		return nil
	}
	return distro.Write(r.out, distro.Package{
		Name: name, Version: r.version, Arch: t.arch, Variant: t.variant, Date: r.date,
		Binary: r.binary(t), Parts: parts, Shared: r.sharedDir(), Assets: filepath.Join(r.root, "deploy", "package"), License: filepath.Join(r.root, "LICENSE"),
	})
}
