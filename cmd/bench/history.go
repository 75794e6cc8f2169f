package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/fleet"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
)

// history overwrites one tag on two registries in turns, pushes other manifests, and
// then lets a third registry, whose datastore is empty, catch up with all of it.
func (b *bench) history(ctx context.Context) (err error) {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	s, err := fleet.StartSwarm(ctx, b.binary, fleet.Fastest(), dir, lab.Here(), lab.Here(), lab.Here())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	late := s[2]
	s = s[:2]
	if err := errors.Join(late.Stop(), os.RemoveAll(late.Data)); err != nil {
		return err
	}
	if err := b.overwrite(ctx, s); err != nil {
		return err
	}
	if err := b.fill(ctx, s[0]); err != nil {
		return err
	}
	if err := b.settle(ctx, s); err != nil {
		return err
	}
	began := time.Now()
	if err := late.Start(ctx); err != nil {
		return err
	}
	s = append(s, late)
	return b.catchUp(ctx, s, began)
}

// overwritten is how long one registry took for its share of the writes of a tag.
type overwritten struct{ puts, gets []time.Duration }

// overwrite reports the cost of a write of the tag at the beginning and at the end.
func (b *bench) overwrite(ctx context.Context, s fleet.Swarm) error {
	config, err := s[0].PushConfig(ctx)
	if err != nil {
		return err
	}
	times := make([]overwritten, len(s))
	n := pick(b, 200, 2000)
	for i := range n {
		r, m := s[i%len(s)], fleet.ManifestOf{Config: config, Tag: "latest", Unique: fmt.Sprint(i)}
		began := time.Now()
		if err := r.Put(ctx, m); err != nil {
			return err
		}
		written := time.Now()
		if err := r.Ask(ctx, http.MethodGet, m); err != nil {
			return err
		}
		t := &times[i%len(s)]
		t.puts, t.gets = append(t.puts, written.Sub(began)), append(t.gets, time.Since(written))
	}
	began := time.Now()
	if _, err := s[0].Do(ctx, http.MethodDelete, "http://"+s[0].HTTP+"/v2/bench/manifests/latest", "", nil, 0, http.StatusAccepted); err != nil {
		return err
	}
	fmt.Fprintf(&b.Tables, "\n## A tag with a history\n\nOne tag is overwritten %d times, on A and B in turns, and then deleted, which takes %s. Medians of the first and of the last tenth.\n\n"+
		"| registry | PUT, first | PUT, last | ratio | GET, first | GET, last | ratio |\n|---|---|---|---|---|---|---|\n", n, report.Short(time.Since(began)))
	for i, t := range times {
		fmt.Fprintf(&b.Tables, "| %s | %s | %s |\n", s[i].Name, tenths(t.puts), tenths(t.gets))
	}
	return nil
}

func tenths(d []time.Duration) string {
	n := len(d) / 10
	first, last := median(d[:n]), median(d[len(d)-n:])
	return fmt.Sprintf("%s | %s | **%.2f**", report.Short(first), report.Short(last), last.Seconds()/first.Seconds())
}

// fill makes the history longer: a push of a manifest makes four entries.
func (b *bench) fill(ctx context.Context, r *fleet.Registry) error {
	config, err := r.PushConfig(ctx)
	if err != nil {
		return err
	}
	_, err = together(r, manyClients, pick(b, 300, 3000), func(i int) error {
		return r.Put(ctx, fleet.ManifestOf{Config: config, Tag: fmt.Sprintf("fill%d", i), Unique: fmt.Sprint("fill", i)})
	})
	return err
}

const settleTimeout = 5 * time.Minute // for some thousands of manifests

// settle waits until all registries have fetched each other's manifests, which they do in
// the background.
func (b *bench) settle(ctx context.Context, s fleet.Swarm) error {
	err := fleet.Await(ctx, settleTimeout, func() bool {
		for _, r := range s {
			now, err := r.Status(ctx)
			if err != nil || now.Blobs.Missing > 0 {
				return false
			}
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("some manifests were never fetched: %w", err)
	}
	return nil
}

// catchUp measures how long the last registry takes until its map equals the others', and
// until it holds the manifests.
func (b *bench) catchUp(ctx context.Context, s fleet.Swarm, began time.Time) error {
	first, err := s[0].Status(ctx)
	if err != nil {
		return err
	}
	err = fleet.Await(ctx, fleet.StartTimeout, func() bool {
		now, err := s[len(s)-1].Status(ctx)
		return err == nil && now.Map.Digest == first.Map.Digest
	})
	if err != nil {
		return fmt.Errorf("a late registry does not catch up: %w", err)
	}
	caughtUp := time.Since(began)
	if err := b.settle(ctx, s); err != nil {
		return err
	}
	fmt.Fprintf(&b.Tables, "\nA registry that joins then, with an empty datastore, holds the map of %d entries after %s, counted from its start, and all %d manifests after %s.\n",
		first.Map.Entries, report.Short(caughtUp), first.Blobs.Here, report.Short(time.Since(began)))
	return nil
}
