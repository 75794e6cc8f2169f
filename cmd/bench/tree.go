package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

const root = "/docker/registry/v2/repositories"

// tree measures List and Walk over many repositories of one tag each, calling the drivers
// directly.
func (b *bench) tree(ctx context.Context) error {
	b.Tables.WriteString("\n## List and Walk\n\nOf repositories with one tag each. *page*: a Walk that begins behind the middle one and stops after 100 repositories, as the catalog does.\n\n" +
		"| repositories | what | filesystem | ipfs | ratio of rates |\n|---|---|---|---|---|\n")
	for _, n := range pick(b, []int{1_000}, []int{10_000, 100_000}) {
		text, err := measureTree(ctx, n)
		if err != nil {
			return fmt.Errorf("%d repositories: %w", n, err)
		}
		b.Tables.WriteString(text)
	}
	return nil
}

func measureTree(ctx context.Context, n int) (text string, err error) {
	dir, err := os.MkdirTemp("", "registry-bench-tree-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p := driver.DefaultParameters()
	p.Offline, p.DatastorePath, p.LogLevel = true, dir+"/ipfs", "error"
	ours, err := driver.New(ctx, p)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, ours.Close()) }()
	fs := filesystem.New(filesystem.DriverParameters{RootDirectory: dir + "/fs", MaxThreads: 100})
	if err := fill(ctx, n, fs, ours); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, what := range []struct {
		name string
		runs int
		do   func(storagedriver.StorageDriver) error
	}{
		{"List of all", 5, func(d storagedriver.StorageDriver) error { _, err := d.List(ctx, root); return err }},
		{"Walk of all", 3, func(d storagedriver.StorageDriver) error { return walkRepositories(ctx, d, "", n) }},
		{"page", 21, func(d storagedriver.StorageDriver) error { return walkRepositories(ctx, d, repository(n/2), 100) }},
	} {
		a, o, err := alternate(what.runs, fs, ours, what.do)
		if err != nil {
			return "", fmt.Errorf("%s: %w", what.name, err)
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | **%.1f** |\n", n, what.name, report.Short(a), report.Short(o), a.Seconds()/o.Seconds())
	}
	return b.String(), nil
}

func repository(i int) string { return fmt.Sprintf("%s/r%06d", root, i) }

// fill gives both drivers the same repositories, side by side so that commits of
// ours share their syncs as they do in a busy registry.
func fill(ctx context.Context, n int, drivers ...storagedriver.StorageDriver) error {
	return fillWith(ctx, n, func(i int) (path, content string) {
		return repository(i) + "/_manifests/tags/latest/current/link", "sha256:0"
	}, drivers...)
}

func fillWith(ctx context.Context, n int, file func(int) (path, content string), drivers ...storagedriver.StorageDriver) error {
	errs := make(chan error, fillWorkers)
	for w := range fillWorkers {
		go func() {
			for i := w; i < n; i += fillWorkers {
				path, content := file(i)
				for _, d := range drivers {
					if err := d.PutContent(ctx, path, []byte(content)); err != nil {
						errs <- err
						return
					}
				}
			}
			errs <- nil
		}()
	}
	var err error
	for range fillWorkers {
		err = errors.Join(err, <-errs)
	}
	return err
}

// walkRepositories does what the catalog does.
func walkRepositories(ctx context.Context, d storagedriver.StorageDriver, after string, limit int) error {
	seen := 0
	var opts []func(*storagedriver.WalkOptions)
	if after != "" {
		opts = append(opts, storagedriver.WithStartAfterHint(after+"/_manifests"))
	}
	err := d.Walk(ctx, root, func(info storagedriver.FileInfo) error {
		if !strings.HasSuffix(info.Path(), "/_manifests") {
			return nil
		}
		if seen++; seen >= limit {
			return storagedriver.ErrFilledBuffer
		}
		return storagedriver.ErrSkipDir
	}, opts...)
	if err == nil && seen < min(limit, 100) {
		err = fmt.Errorf("walked %d repositories", seen)
	}
	return err
}

func alternate(runs int, fs, ours storagedriver.StorageDriver, do func(storagedriver.StorageDriver) error) (a, o time.Duration, err error) {
	var timesFS, timesOurs []time.Duration
	for range runs {
		for _, d := range []struct {
			driver storagedriver.StorageDriver
			times  *[]time.Duration
		}{{fs, &timesFS}, {ours, &timesOurs}} {
			began := time.Now()
			if err := do(d.driver); err != nil {
				return 0, 0, err
			}
			*d.times = append(*d.times, time.Since(began))
		}
	}
	return median(timesFS), median(timesOurs), nil
}
