package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// sizes of blobs, and how often each is pushed and pulled.
type size struct {
	name  string
	bytes int64
	runs  int
}

func sizes(quick bool) []size {
	if quick {
		return []size{{"4 KiB", 4 << 10, 5}, {"1 MiB", 1 << 20, 5}, {"64 MiB", 64 << 20, 3}}
	}
	return []size{{"4 KiB", 4 << 10, 31}, {"1 MiB", 1 << 20, 21}, {"64 MiB", 64 << 20, 7}, {"1 GiB", 1 << 30, 3}}
}

func bench(ctx context.Context, binary string, quick bool) (report string, err error) {
	dir, err := os.MkdirTemp("", "registry-bench-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	f, err := startFleet(ctx, binary, dir)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	var b strings.Builder
	b.WriteString(head())
	for _, step := range []func(context.Context, *fleet, bool) (string, error){blobTable, visibleTable, treeTable} {
		text, err := step(ctx, f, quick)
		if err != nil {
			return b.String(), err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// blobTable measures blobs of each size on the filesystem driver, on A, and on B
// which has to fetch them from A.
func blobTable(ctx context.Context, f *fleet, quick bool) (string, error) {
	var b strings.Builder
	b.WriteString("## Push and pull of one blob\n\nMedians in MB/s. *cold*: the first pull on a second registry, which fetches it from the first. *warm*: its second pull there.\n\n" +
		"| size | runs | push filesystem | push ipfs | ratio | pull filesystem | pull ipfs | ratio | cold on B | warm on B | ratio of warm |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range sizes(quick) {
		m, err := measureBlobs(ctx, f, s)
		if err != nil {
			return "", fmt.Errorf("%s: %w", s.name, err)
		}
		rate := func(d []time.Duration) float64 { return float64(s.bytes) / 1e6 / median(d).Seconds() }
		fmt.Fprintf(&b, "| %s | %d | %.1f | %.1f | **%.2f** | %.1f | %.1f | **%.2f** | %.1f | %.1f | **%.2f** |\n", s.name, s.runs,
			rate(m.pushFS), rate(m.pushA), rate(m.pushA)/rate(m.pushFS), rate(m.pullFS), rate(m.pullA), rate(m.pullA)/rate(m.pullFS),
			rate(m.cold), rate(m.warm), rate(m.warm)/rate(m.pullFS))
	}
	fmt.Fprintf(&b, "\nPeak anonymous memory over all of it, sampled ten times a second: filesystem %s, ipfs A %s, ipfs B %s.\n", f.fs.peak(), f.a.peak(), f.b.peak())
	return b.String(), nil
}

type blobTimes struct{ pushFS, pushA, pullFS, pullA, cold, warm []time.Duration }

func measureBlobs(ctx context.Context, f *fleet, s size) (m blobTimes, err error) {
	for range s.runs {
		// One run is one new blob a driver, in alternation.
		blobFS, blobA := newBlob(s.bytes), newBlob(s.bytes)
		for _, step := range []struct {
			times *[]time.Duration
			do    func() (time.Duration, error)
		}{
			{&m.pushFS, func() (time.Duration, error) { return f.fs.push(ctx, blobFS) }},
			{&m.pushA, func() (time.Duration, error) { return f.a.push(ctx, blobA) }},
			{&m.pullFS, func() (time.Duration, error) { return f.fs.pull(ctx, blobFS) }},
			{&m.pullA, func() (time.Duration, error) { return f.a.pull(ctx, blobA) }},
			{&m.cold, func() (time.Duration, error) { return f.b.pull(ctx, blobA) }},
			{&m.warm, func() (time.Duration, error) { return f.b.pull(ctx, blobA) }},
		} {
			d, err := step.do()
			if err != nil {
				return m, err
			}
			*step.times = append(*step.times, d)
		}
	}
	return m, nil
}

// visibleTable measures from the answer to a manifest's push on A until its
// first pull succeeds on B.
func visibleTable(ctx context.Context, f *fleet, quick bool) (string, error) {
	runs := 51
	if quick {
		runs = 5
	}
	var times, put, putFS []time.Duration
	for i := range runs {
		tag := fmt.Sprintf("t%d", i)
		d, err := f.fs.putManifest(ctx, tag)
		if err != nil {
			return "", err
		}
		putFS = append(putFS, d)
		if d, err = f.a.putManifest(ctx, tag); err != nil {
			return "", err
		}
		put = append(put, d)
		if d, err = f.b.getManifest(ctx, tag); err != nil {
			return "", err
		}
		times = append(times, d)
	}
	return fmt.Sprintf("\n## Manifests\n\n| what | median |\n|---|---|\n| PUT of a manifest, filesystem | %s |\n| PUT of a manifest, ipfs | %s, **%.2f** of its rate |\n| from the answer on A to the answer of the first GET on B | %s, at most %s |\n",
		short(median(putFS)), short(median(put)), median(putFS).Seconds()/median(put).Seconds(), short(median(times)), short(longest(times))), nil
}
