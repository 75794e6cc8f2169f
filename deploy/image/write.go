package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// repository is what `docker load` calls the image.
const repository = "distribution-ipfs"

// write writes the layout below oci/, and beside it an archive for `docker load` of each platform, since
// docker loads no layout before 25.
func (b built) write(out, version string) error {
	if err := emptied(out); err != nil {
		return err
	}
	to, err := layout.Write(filepath.Join(out, "oci"), empty.Index)
	if err != nil {
		return err
	}
	if err := to.AppendIndex(b.index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": version})); err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	tag, err := name.NewTag(repository + ":" + version)
	if err != nil {
		return err
	}
	for platform, image := range b.images {
		archive := filepath.Join(out, fmt.Sprintf("%s-%s-%s.docker.tar", repository, version, platform))
		if err := tarball.WriteToFile(archive, tag, image); err != nil {
			return fmt.Errorf("%s: %w", archive, err)
		}
	}
	return nil
}

// emptied makes a directory anew that has an image in it, and refuses one that has something else.
func emptied(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "oci", "index.json")); len(entries) > 0 && err != nil {
		return fmt.Errorf("-out: %s has files in it that are of no image: name another directory", dir)
	}
	return os.RemoveAll(dir)
}
