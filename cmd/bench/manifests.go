package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

const manifestClients = 8

// manifests measures requests a second, and how soon a push is seen elsewhere.
func (b *bench) manifests(ctx context.Context) error {
	return b.withTrio(ctx, func(f *trio) error {
		if err := b.manifestRates(ctx, f); err != nil {
			return err
		}
		return b.visible(ctx, f)
	})
}

// manifestRates compares both drivers with several clients at once.
func (b *bench) manifestRates(ctx context.Context, f *trio) error {
	rounds := pick(b, 3, 9)
	for _, what := range []struct {
		name     string
		requests int
		target   target
		do       func(*registry, manifestOf) error
	}{
		{"PUT", pick(b, 80, 400), atLeast(0.5), func(r *registry, m manifestOf) error { return r.put(ctx, m) }},
		{"GET", pick(b, 800, 4000), atLeast(1), func(r *registry, m manifestOf) error { return r.ask(ctx, http.MethodGet, m) }},
		{"HEAD", pick(b, 800, 4000), atLeast(1), func(r *registry, m manifestOf) error { return r.ask(ctx, http.MethodHead, m) }},
	} {
		contend := func(r *registry) (contender, error) {
			config, err := r.pushConfig(ctx)
			if err != nil {
				return contender{}, err
			}
			run := 0
			return contender{r.Name, func(context.Context) (trial, error) {
				run++
				return together(r, what.requests, func(i int) error {
					// Manifests that are read were put before; those that are put are new.
					return what.do(r, manifestOf{config, fmt.Sprintf("t%d", i%64), fmt.Sprintf("%s %d %d", what.name, run, i)})
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
		b.rows = append(b.rows, requestsRow(fmt.Sprintf("manifest %s, %d connections", what.name, manifestClients), "filesystem driver",
			trials[f.a.Name], trials[f.fs.Name], what.target))
	}
	return nil
}

// together has several clients share the requests.
func together(r *registry, requests int, do func(i int) error) (trial, error) {
	var g errgroup.Group
	before, began := r.proc().cpu(), time.Now()
	for c := range manifestClients {
		g.Go(func() error {
			for i := c; i < requests; i += manifestClients {
				if err := do(i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	return trial{float64(requests), time.Since(began), r.proc().cpu() - before}, err
}

// visible measures from the answer to a manifest's push on A until its first pull
// succeeds on B.
func (b *bench) visible(ctx context.Context, f *trio) error {
	config, err := f.a.pushConfig(ctx)
	if err != nil {
		return err
	}
	var times []time.Duration
	for i := range pick(b, 5, 51) {
		m := manifestOf{config, fmt.Sprintf("seen%d", i), ""}
		if err := f.a.put(ctx, m); err != nil {
			return err
		}
		d, err := f.b.awaitManifest(ctx, m.tag)
		if err != nil {
			return err
		}
		times = append(times, d)
	}
	fmt.Fprintf(&b.tables, "\n## Manifests\n\nFrom the answer to a PUT on A to the answer of the first GET on B: median %s, at most %s.\n", short(median(times)), short(longest(times)))
	return nil
}
