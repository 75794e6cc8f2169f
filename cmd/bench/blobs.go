package main

import (
	"context"
	"fmt"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/fleet"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"time"
)

// size of blobs, and how often each is pushed and pulled.
type size struct {
	name  string
	bytes int64
	runs  int
	pulls int  // one after the other, timed as one
	aimed bool // it has a target
}

func (b *bench) sizes() []size {
	if b.quick {
		return []size{{"4 KiB", 4 << 10, 5, 1, false}, {"1 MiB", 1 << 20, 5, 1, false}, {"64 MiB", 64 << 20, 3, 4, true}}
	}
	return []size{{"4 KiB", 4 << 10, 31, 1, false}, {"1 MiB", 1 << 20, 21, 1, false}, {"64 MiB", 64 << 20, 9, 8, true}, {"1 GiB", 1 << 30, 5, 1, true}}
}

// blobs measures blobs of each size on the filesystem driver, on A, and on B, which has to
// fetch them from A.
func (b *bench) blobs(ctx context.Context) error {
	return b.withTrio(ctx, func(f *trio) error {
		b.Tables.WriteString("\n## Push and pull of one blob\n\nMedians in MB/s. *cold*: the first pull on a second registry, which fetches it from the first. *warm*: its second pull there.\n\n" +
			"| size | runs | push filesystem | push ipfs | ratio | pull filesystem | pull ipfs | ratio | cold on B | warm on B | ratio of warm |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
		for _, s := range b.sizes() {
			m, err := measureBlobs(ctx, f, s)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			rate := func(t []report.Trial) float64 { return report.Over(t, report.Trial.Rate).Median / 1e6 }
			fmt.Fprintf(&b.Tables, "| %s | %d | %.1f | %.1f | **%.2f** | %.1f | %.1f | **%.2f** | %.1f | %.1f | **%.2f** |\n", s.name, s.runs,
				rate(m.pushFS), rate(m.pushA), report.Ratios(m.pushA, m.pushFS).Median, rate(m.pullFS), rate(m.pullA), report.Ratios(m.pullA, m.pullFS).Median,
				rate(m.cold), rate(m.warm), report.Ratios(m.warm, m.pullFS).Median)
			if s.aimed {
				b.Rows = append(b.Rows,
					report.BytesRow("push, "+s.name, "filesystem driver", m.pushA, m.pushFS, report.AtLeast(0.95)),
					report.BytesRow("pull of a local blob, "+s.name, "filesystem driver", m.pullA, m.pullFS, report.AtLeast(0.97)))
			}
		}
		if err := b.smallPushes(ctx, f); err != nil {
			return err
		}
		fmt.Fprintf(&b.Tables, "\nPeak anonymous memory over all of it, sampled ten times a second: filesystem %s, ipfs A %s, ipfs B %s.\n", f.fs.Peak(), f.a.Peak(), f.b.Peak())
		return nil
	})
}

type blobTrials struct{ pushA, pushFS, pullA, pullFS, cold, warm []report.Trial }

func measureBlobs(ctx context.Context, f *trio, s size) (m blobTrials, err error) {
	for range s.runs {
		// One run is one new blob for each driver, in turns.
		blobA, blobFS := fleet.NewBlob(s.bytes), fleet.NewBlob(s.bytes)
		push := func(r *fleet.Registry, b fleet.Blob) func() (time.Duration, error) {
			return func() (time.Duration, error) { return r.Push(ctx, b) }
		}
		pull := func(r *fleet.Registry, b fleet.Blob) func() (time.Duration, error) {
			return func() (time.Duration, error) { return r.Pull(ctx, b) }
		}
		for _, step := range []struct {
			trials *[]report.Trial
			r      *fleet.Registry
			times  int
			do     func() (time.Duration, error)
		}{
			{&m.pushA, f.a, 1, push(f.a, blobA)},
			{&m.pushFS, f.fs, 1, push(f.fs, blobFS)},
			{&m.pullA, f.a, s.pulls, pull(f.a, blobA)},
			{&m.pullFS, f.fs, s.pulls, pull(f.fs, blobFS)},
			{&m.cold, f.b, 1, pull(f.b, blobA)},
			{&m.warm, f.b, s.pulls, pull(f.b, blobA)},
		} {
			t, err := trialOf(step.r, s.bytes, step.times, step.do)
			if err != nil {
				return m, err
			}
			*step.trials = append(*step.trials, t)
		}
		// What B still writes after its cold pull would be counted against the next
		// contender.
		if err := f.b.Settled(ctx); err != nil {
			return m, err
		}
	}
	return m, nil
}

// trialOf does something so many times and counts its bytes, time and CPU.
func trialOf(r *fleet.Registry, bytes int64, times int, do func() (time.Duration, error)) (t report.Trial, err error) {
	before := r.Proc().CPU()
	for range times {
		took, err := do()
		if err != nil {
			return t, err
		}
		t.Took += took
		t.Count += float64(bytes)
	}
	t.CPU = r.Proc().CPU() - before
	return t, nil
}
