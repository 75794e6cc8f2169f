package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/fleet"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// minImport is how fast an import is, as a share of reading its files once. It hashes each twice, so a
// disk that reads faster than the processors hash waits for them.
const minImport = 0.2

// importing measures the import of one image of large layers from a filesystem registry on the same
// disk, against cat of the same files. Neither finds them in memory.
func (b *bench) importing(ctx context.Context) (err error) {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	const layers = 4
	size := int64(pick(b, 16, 256)) << 20
	root := filepath.Join(dir, "old")
	files, err := oldRegistry(root, layers, size)
	if err != nil {
		return err
	}
	run := func(name string, do func() (report.Trial, error)) contender {
		return contender{name, func(context.Context) (report.Trial, error) {
			if err := forget(files); err != nil {
				return report.Trial{}, err
			}
			return do()
		}}
	}
	trials, err := compete(ctx, pick(b, 1, 5),
		run("ours", func() (report.Trial, error) { return importOnce(ctx, root, filepath.Join(dir, "ipfs"), layers*size) }),
		run("cat", func() (report.Trial, error) { return cat(ctx, files, layers*size) }))
	if err != nil {
		return err
	}
	b.Rows = append(b.Rows, report.BytesRow(fmt.Sprintf("import of %d layers of %d MiB, from the disk", layers, size>>20), "cat of the same files",
		trials["ours"], trials["cat"], report.AtLeast(minImport)))
	return nil
}

// importOnce imports into a new datastore, and removes that afterwards.
func importOnce(ctx context.Context, root, data string, bytes int64) (t report.Trial, err error) {
	p := driver.DefaultParameters()
	p.Offline, p.DatastorePath, p.LogLevel = true, data, "error"
	d, err := driver.New(ctx, p)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, d.Close(), os.RemoveAll(data)) }()
	return timed(int(bytes), func() error {
		done, err := d.Import(ctx, driver.ImportOptions{Root: root}, func(driver.ImportProgress) {})
		if err == nil && (done.Taken.Bytes < bytes || done.FaultCount > 0) {
			err = fmt.Errorf("imported %+v", done)
		}
		return err
	})
}

func cat(ctx context.Context, files []string, bytes int64) (report.Trial, error) {
	cmd, began := exec.CommandContext(ctx, "cat", files...), time.Now() // its output is thrown away
	if err := cmd.Run(); err != nil {
		return report.Trial{}, fmt.Errorf("cat: %w", err)
	}
	return report.Trial{Count: float64(bytes), Took: time.Since(began), CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

// forget has the system read files from the disk the next time.
func forget(files []string) error {
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		fd := int(f.Fd())
		if err := errors.Join(f.Sync(), unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED), f.Close()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// oldRegistry is the directory of a filesystem registry with one image, and the files of its layers.
func oldRegistry(root string, layers int, size int64) (files []string, err error) {
	const repo = "/docker/registry/v2/repositories/old"
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest}
	links := map[string]digest.Digest{}
	for range layers {
		layer := fleet.NewBlob(size)
		d := digest.Digest(layer.Digest)
		path := filepath.Join(root, dataOf(d))
		if err := writeFrom(path, layer.Reader()); err != nil {
			return nil, err
		}
		files = append(files, path)
		links["_layers/sha256/"+d.Encoded()] = d
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Digest: d, Size: size})
	}
	config := []byte("{}")
	m.Config = v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config))}
	text, _ := json.Marshal(m) // it has no value that JSON lacks
	d := digest.FromBytes(text)
	links["_layers/sha256/"+m.Config.Digest.Encoded()] = m.Config.Digest
	links["_manifests/revisions/sha256/"+d.Encoded()] = d
	links["_manifests/tags/1/index/sha256/"+d.Encoded()] = d
	links["_manifests/tags/1/current"] = d
	err = errors.Join(writeFile(filepath.Join(root, dataOf(m.Config.Digest)), config), writeFile(filepath.Join(root, dataOf(d)), text))
	for at, of := range links {
		err = errors.Join(err, writeFile(filepath.Join(root, repo, at, "link"), []byte(of)))
	}
	return files, err
}

func dataOf(d digest.Digest) string {
	return fmt.Sprintf("/docker/registry/v2/blobs/sha256/%s/%s/data", d.Encoded()[:2], d.Encoded())
}

func writeFrom(path string, from io.Reader) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(f, from)
	return err
}
