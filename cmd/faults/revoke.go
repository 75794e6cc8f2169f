package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/load"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/swarm"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
)

func notRevoked(t *trial) bool { return t.outcast.by == "" }

const guestPushes = 6

// revoke has a sixth registry join, and one of the five shut it out while clients push to it. What it had
// acknowledged, and what had come to the others, has to stay. From then on it runs on, with a disk on which it was not shut
// out, takes all pushes and asks to be let in: nothing of that may be seen.
func (t *trial) revoke(ctx context.Context) error {
	if t.outcast.by != "" {
		return nil
	}
	g := t.swarm.Guest
	if err := t.admit(ctx, g); err != nil {
		return err
	}
	if err := t.guestPushes(ctx, g); err != nil {
		return err
	}
	stop := repeat(ctx, 300*time.Millisecond, func(ctx context.Context) { _ = t.load.Stray(ctx, g) })
	defer stop()
	if err := t.pause(ctx, time.Second, 3*time.Second); err != nil {
		return err
	}
	by, err := t.shutOut(ctx, g)
	if err != nil {
		return err
	}
	for _, m := range t.swarm.Members {
		if err := t.heard(ctx, m); err != nil {
			return err
		}
	}
	t.outcast.by = by.Name
	t.compactions.mark()
	if err := t.pause(ctx, 3*time.Second, 5*time.Second); err != nil { // what was under way has come in, or will not
		return err
	}
	stop()
	return t.castOut(ctx, g)
}

// shutOut has one of the five shut the sixth registry out, while another hears that one alone, and so hears of it later.
func (t *trial) shutOut(ctx context.Context, g *swarm.Member) (by *swarm.Member, err error) {
	by, away := t.any(), t.any()
	if t.swarm.Mesh != nil && by != away {
		t.count("revoke", "%s, by %s, while %s hears only %s", g.Peer(), by.Name, away.Name, g.Name)
		t.swarm.Mesh.Set(lab.Fault{Cut: func(from, to int) bool {
			return from != g.Index && to != g.Index && (from == away.Index || to == away.Index)
		}})
		defer t.swarm.Mesh.Set(lab.Fault{})
	} else {
		t.count("revoke", "%s, by %s", g.Peer(), by.Name)
	}
	err = t.await(ctx, func() (string, error) {
		if err := by.Revoke(ctx, g.Peer()); err != nil {
			return fmt.Sprintf("%s does not revoke %s: %v", by.Name, g.Name, err), nil
		}
		return "", nil
	})
	if err != nil {
		return by, err
	}
	return by, t.pause(ctx, 2*time.Second, 6*time.Second)
}

// admit starts the sixth registry, and waits until it is one of the swarm. A copy of its disk is left of that moment.
func (t *trial) admit(ctx context.Context, g *swarm.Member) error {
	t.journal.Note("fault", "%s joins: %s", g.Name, g.Peer())
	for range 2 {
		if err := g.Start(ctx); err != nil {
			return err
		}
		if err := t.await(ctx, func() (string, error) { return t.notIn(ctx, g) }); err != nil {
			return err
		}
		if g.HasBackup() {
			return nil
		}
		t.stop(g)
		if err := g.BackUp(); err != nil {
			return err
		}
	}
	return nil
}

// notIn is what a registry lacks to be one of the swarm.
func (t *trial) notIn(ctx context.Context, g *swarm.Member) (string, error) {
	st, err := g.Ask(ctx)
	if err != nil {
		return fmt.Sprintf("status of %s: %v", g.Name, err), nil
	}
	connected := 0
	for _, m := range st.Members {
		if m.Connected && m.Greeted {
			connected++
		}
	}
	if connected < members || len(st.NotReady) > 0 {
		return fmt.Sprintf("%s has met %d; not ready: %q", g.Name, connected, st.NotReady), nil
	}
	return "", nil
}

// guestPushes pushes some images at the sixth registry, and waits until all others answer with them, and it is
// not the only one that has their bytes.
func (t *trial) guestPushes(ctx context.Context, g *swarm.Member) error {
	var pushed []*load.Image
	err := t.await(ctx, func() (string, error) {
		i, err := t.load.PushGuest(ctx, g)
		if err != nil {
			return fmt.Sprintf("push to %s: %v", g.Name, err), nil
		}
		if pushed = append(pushed, i); len(pushed) < guestPushes {
			return fmt.Sprintf("only %d pushes to %s", len(pushed), g.Name), nil
		}
		return "", nil
	})
	if err != nil {
		return err
	}
	return t.await(ctx, func() (string, error) { return t.onlyAt(ctx, g, pushed) })
}

// onlyAt is what of these images would be lost with a registry that is none of the five.
func (t *trial) onlyAt(ctx context.Context, g *swarm.Member, pushed []*load.Image) (string, error) {
	stocks, err := t.stocks()
	if err != nil {
		return "", err
	}
	for _, i := range pushed {
		for _, part := range i.Parts {
			if !slices.ContainsFunc(stocks, func(s swarm.Stock) bool { return s[part] != "" }) {
				return fmt.Sprintf("%s of %s@%s is at %s alone", part, i.Repo, i.Digest, g.Name), nil
			}
		}
		for _, m := range t.swarm.Members {
			if digest, err := t.load.Look(ctx, m, name{Repo: i.Repo, Ref: i.Digest}); err != nil || digest == "" {
				return fmt.Sprintf("%s@%s at %s: %q, %v", i.Repo, i.Digest, m.Name, digest, err), nil
			}
		}
	}
	return "", nil
}

// heard waits until a registry says that the sixth one was shut out.
func (t *trial) heard(ctx context.Context, m *swarm.Member) error {
	return t.await(ctx, func() (string, error) {
		ok, err := m.Shuns(ctx, t.swarm.Guest.Peer())
		if err != nil || !ok {
			return fmt.Sprintf("%s has not heard that %s was revoked: %v", m.Name, t.swarm.Guest.Name, err), nil
		}
		return "", nil
	})
}
