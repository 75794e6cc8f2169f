package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/distribution/distribution/v3/registry/storage"
	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

const (
	markedTags   = 100 // images of a repository
	markedLayers = 3   // of each, shared by the images of a repository
	fillWorkers  = 64
)

// marking measures how long it takes to find garbage among many images, calling the drivers
// directly, against distribution's own collector on its filesystem driver. There is none to
// find: both read all manifests, and look at all blobs.
func (b *bench) marking(ctx context.Context) (err error) {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	p := driver.DefaultParameters()
	p.Offline, p.DatastorePath, p.LogLevel = true, filepath.Join(dir, "ipfs"), "error"
	ours, err := driver.New(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.Close()) }()
	n := pick(b, 1_000, 100_000)
	files := filepath.Join(dir, "fs")
	if err := fillImages(ctx, n, ours, files); err != nil {
		return err
	}
	fs := filesystem.New(filesystem.DriverParameters{RootDirectory: files, MaxThreads: 100})
	const against = "distribution's garbage-collect --dry-run, filesystem driver"
	for _, run := range []struct {
		name  string
		times int
	}{{fmt.Sprintf("marking of %d images, after a start", n), 1}, {fmt.Sprintf("marking of %d images again", n), 3}} {
		trials, err := compete(ctx, run.times,
			contender{"ours", func(ctx context.Context) (report.Trial, error) {
				return timed(n, func() error { return markOurs(ctx, ours, n) })
			}},
			contender{"theirs", func(ctx context.Context) (report.Trial, error) {
				return timed(n, func() error { return markTheirs(ctx, fs) })
			}})
		if err != nil {
			return err
		}
		b.Rows = append(b.Rows, report.RequestsRow(run.name, against, trials["ours"], trials["theirs"], report.AtLeast(1)))
	}
	return nil
}

// timed is a trial of this process.
func timed(count int, do func() error) (report.Trial, error) {
	began, before := time.Now(), ownCPU()
	err := do()
	return report.Trial{Count: float64(count), Took: time.Since(began), CPU: ownCPU() - before}, err
}

func ownCPU() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func markOurs(ctx context.Context, d *driver.Driver, images int) error {
	c, err := d.Collect(ctx, driver.CollectOptions{DryRun: true}, func(driver.CollectProgress) {})
	if err == nil && (c.Looked.Manifests != images || c.Garbage.Blobs != 0 || c.Unreads != 0) {
		err = fmt.Errorf("marked %+v", c)
	}
	return err
}

func markTheirs(ctx context.Context, d storagedriver.StorageDriver) error {
	r, err := storage.NewRegistry(ctx, d)
	if err != nil {
		return err
	}
	return storage.MarkAndSweep(ctx, d, r, storage.GCOpts{DryRun: true, Quiet: true})
}

// fillImages gives our driver images, and writes the same into the directory of the filesystem
// driver, without its syncs, since nobody measures them.
func fillImages(ctx context.Context, n int, ours storagedriver.StorageDriver, files string) error {
	var g errgroup.Group
	for w := range fillWorkers {
		g.Go(func() error {
			for i := w; i < n; i += fillWorkers {
				for _, f := range imageFiles(i) {
					if err := errors.Join(ours.PutContent(ctx, f.path, f.content), writeFile(files+f.path, f.content)); err != nil {
						return err
					}
				}
			}
			return ctx.Err()
		})
	}
	return g.Wait()
}

func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

// file is what lies at one of distribution's paths.
type file struct {
	path    string
	content []byte
}

// imageFiles is all that a push of one image leaves. The first of a repository brings the
// layers.
func imageFiles(i int) (all []file) {
	repo, tag := repository(i/markedTags), fmt.Sprintf("v%d", i%markedTags)
	add := func(path string, content []byte) { all = append(all, file{repo + path, content}) }
	blob := func(content []byte) v1.Descriptor {
		d := digest.FromBytes(content)
		all = append(all, file{dataOf(d), content})
		return v1.Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Digest: d, Size: int64(len(content))}
	}
	link := func(dir string, d digest.Digest) { add(dir+"/sha256/"+d.Encoded()+"/link", []byte(d)) }

	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest}
	m.Config = blob(fmt.Appendf(nil, `{"image":%d}`, i))
	m.Config.MediaType = v1.MediaTypeImageConfig
	link("/_layers", m.Config.Digest)
	for part := range markedLayers {
		content := fmt.Appendf(nil, "layer %d of %s", part, repo)
		if i%markedTags == 0 {
			link("/_layers", blob(content).Digest)
		}
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Digest: digest.FromBytes(content), Size: int64(len(content))})
	}
	text, _ := json.Marshal(m) // it has no value that JSON lacks
	d := blob(text).Digest
	link("/_manifests/revisions", d)
	link("/_manifests/tags/"+tag+"/index", d)
	add("/_manifests/tags/"+tag+"/current/link", []byte(d))
	return all
}
