package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/fleet"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
)

// manifests measures requests a second, and how soon a push is seen elsewhere.
func (b *bench) manifests(ctx context.Context) error {
	return b.withTrio(ctx, func(f *trio) error {
		if err := b.manifestRates(ctx, f); err != nil {
			return err
		}
		return b.visible(ctx, f)
	})
}

// manifestRates compares both drivers, PUT also with a single client.
func (b *bench) manifestRates(ctx context.Context, f *trio) error {
	rounds := pick(b, 3, 9)
	for _, what := range []struct {
		name     string
		clients  int
		requests int
		target   report.Target
		do       func(*fleet.Registry, fleet.ManifestOf) error
	}{
		{"PUT", 1, pick(b, 20, 100), report.AtLeast(0.95), func(r *fleet.Registry, m fleet.ManifestOf) error { return r.Put(ctx, m) }},
		{"PUT", manyClients, pick(b, 80, 400), report.AtLeast(0.95), func(r *fleet.Registry, m fleet.ManifestOf) error { return r.Put(ctx, m) }},
		{"GET", manyClients, pick(b, 800, 4000), report.AtLeast(1), func(r *fleet.Registry, m fleet.ManifestOf) error { return r.Ask(ctx, http.MethodGet, m) }},
		{"HEAD", manyClients, pick(b, 800, 4000), report.AtLeast(1), func(r *fleet.Registry, m fleet.ManifestOf) error { return r.Ask(ctx, http.MethodHead, m) }},
	} {
		contend := func(r *fleet.Registry) (contender, error) {
			config, err := r.PushConfig(ctx)
			if err != nil {
				return contender{}, err
			}
			run := 0
			return contender{r.Name, func(context.Context) (report.Trial, error) {
				run++
				return together(r, what.clients, what.requests, func(i int) error {
					// Manifests that are read were put before; those that are put are new.
					return what.do(r, fleet.ManifestOf{Config: config, Tag: fmt.Sprintf("t%d", i%64), Unique: fmt.Sprintf("%s %d %d %d", what.name, what.clients, run, i)})
				})
			}}, nil
		}
		ours, err := contend(f.a)
		if err != nil {
			return err
		}
		theirs, err := contend(f.fs)
		if err != nil {
			return err
		}
		trials, err := compete(ctx, rounds, ours, theirs)
		if err != nil {
			return fmt.Errorf("manifest %s: %w", what.name, err)
		}
		b.Rows = append(b.Rows, report.RequestsRow(fmt.Sprintf("manifest %s, %s", what.name, connections(what.clients)), "filesystem driver",
			trials[f.a.Name], trials[f.fs.Name], what.target))
	}
	return nil
}

// visible measures from the answer to a manifest's push on A until its first pull
// succeeds on B.
func (b *bench) visible(ctx context.Context, f *trio) error {
	config, err := f.a.PushConfig(ctx)
	if err != nil {
		return err
	}
	var times []time.Duration
	for i := range pick(b, 5, 51) {
		m := fleet.ManifestOf{Config: config, Tag: fmt.Sprintf("seen%d", i), Unique: ""}
		if err := f.a.Put(ctx, m); err != nil {
			return err
		}
		d, err := f.b.AwaitManifest(ctx, m.Tag)
		if err != nil {
			return err
		}
		times = append(times, d)
	}
	fmt.Fprintf(&b.Tables, "\n## Manifests\n\nFrom the answer to a PUT on A to the answer of the first GET on B: median %s, at most %s.\n", report.Short(median(times)), report.Short(longest(times)))
	return nil
}
