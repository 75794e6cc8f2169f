package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/load"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/swarm"
)

// outcast is a sixth registry, which is shut out, and does not give up.
type outcast struct {
	by       string    // who shut it out; "": nobody has
	at       time.Time // when all had heard of it
	refused  atomic.Int64
	mu       sync.Mutex
	late     []late // what it took since then
	asked    int    // of late, those for which all were asked
	stopLate func()
}

type late struct {
	tag string
	*load.Image
}

// castOut has the sixth registry go on with an older disk, as one that never heard that it was shut out, and takes
// pushes alone.
func (t *trial) castOut(ctx context.Context, g *swarm.Member) error {
	t.outcast.at = time.Now()
	g.Kill()
	if err := g.Restore(); err != nil {
		return err
	}
	g.AcknowledgeAlone()
	if err := g.Start(ctx); err != nil {
		return err
	}
	t.journal.Note("fault", "%s runs on, with a disk on which it was not revoked", g.Name)
	t.outcast.stopLate = repeat(t.life, time.Second, func(ctx context.Context) {
		i, tag, err := t.load.Late(ctx, g)
		if err != nil {
			t.outcast.refused.Add(1)
			return
		}
		t.outcast.mu.Lock()
		defer t.outcast.mu.Unlock()
		t.outcast.late = append(t.outcast.late, late{tag, i})
	})
	return nil
}

// unaware starts a registry whose disk does not say whom it is to shut out. Until it has heard of that, the one
// that was shut out stands still: what it deletes would count, had this one merged it, and so would what it writes under
// counters that its older disk says are free (decision 36). What it writes under others is left out of all maps.
func (t *trial) unaware(ctx context.Context, m *swarm.Member) error {
	g := t.swarm.Guest
	if t.outcast.by == "" || !g.Running() {
		return m.Start(ctx)
	}
	if err := g.Suspend(); err != nil {
		return err
	}
	err := m.Start(ctx)
	if err == nil {
		err = t.heard(ctx, m)
	}
	if resumed := g.Resume(); err == nil {
		err = resumed
	}
	return err
}

// shut asks all registries for what the one that was shut out took afterwards, and looks for it on their disks.
func (t *trial) shut(ctx context.Context, last bool) error {
	t.outcast.mu.Lock()
	all := slices.Clone(t.outcast.late)
	t.outcast.mu.Unlock()
	if err := t.lateOnDisks(all); err != nil {
		return err
	}
	fresh := all[t.outcast.asked:]
	if t.outcast.asked = len(all); last {
		fresh = all
	}
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, l := range fresh {
		for _, m := range t.swarm.Members {
			g.Go(func() error { return t.await(ctx, func() (string, error) { return t.lateAt(ctx, m, l) }) })
		}
	}
	return g.Wait()
}

func (t *trial) lateOnDisks(all []late) error {
	stocks, err := t.stocks()
	if err != nil {
		return err
	}
	for _, l := range all {
		for i, s := range stocks {
			for _, part := range l.Parts {
				if s[part] != "" {
					t.note(&t.never, "CAME BACK", "%s of %s:%s, pushed to one that was revoked, is on the disk of %s", part, l.Repo, l.tag, t.swarm.Members[i].Name)
				}
			}
		}
	}
	return nil
}

func (t *trial) lateAt(ctx context.Context, m *swarm.Member, l late) (string, error) {
	status, err := t.load.Status(ctx, m, l.Repo, l.tag)
	switch {
	case err == nil && status == http.StatusOK:
		return "", fmt.Errorf("%s:%s, pushed to one that was revoked, is at %s", l.Repo, l.tag, m.Name)
	case err != nil || status != http.StatusNotFound:
		return fmt.Sprintf("%s:%s at %s: %d, %v", l.Repo, l.tag, m.Name, status, err), nil
	}
	return "", nil
}

func (o *outcast) String() string {
	if o.by == "" {
		return "nobody was revoked"
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return fmt.Sprintf("one was revoked by %s, and took %d pushes and refused %d in the %s since", o.by, len(o.late), o.refused.Load(), time.Since(o.at).Round(time.Second))
}

// stopLate ends the client of the one that was shut out.
func (t *trial) stopLate() error {
	if t.outcast.stopLate != nil {
		t.outcast.stopLate()
	}
	return nil
}
