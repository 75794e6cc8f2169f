package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/swarm"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// keySteps are those of a change of the protector key: in two rounds, each registry in its turn.
const keySteps = 2 * members

// keyChange is a change of the protector key, between whose steps other things happen.
type keyChange struct {
	old, next string
	order     []*swarm.Member // nil: none is going on
	step      int
	done      int // changes that are over
}

// rekey does one step: it gives one registry another key in its configuration, and restarts it. The second
// round begins when all say that the old key may go.
func (t *trial) rekey(ctx context.Context) (err error) {
	c := &t.keys
	if c.order == nil {
		if c.next, err = t.swarm.Keygen(ctx); err != nil {
			return err
		}
		c.step, c.order = 0, t.order()
	}
	m := c.order[c.step%members]
	key, next, what := c.old, c.next, "has both keys"
	if c.step == members {
		if err = t.oldMayGo(ctx); err == nil {
			err = t.rekeyGuest(ctx)
		}
		if err != nil {
			return err
		}
	}
	if c.step >= members {
		key, next, what = c.next, "", "has the next key alone"
	}
	t.count("rekey", "%s %s", m.Name, what)
	if err := m.SetKeys(ctx, key, next); err != nil {
		return err
	}
	if err := t.restart(ctx, m); err != nil {
		return err
	}
	if c.step++; c.step < keySteps {
		return nil
	}
	c.old, c.next, c.order = c.next, "", nil
	c.done++
	t.journal.Note("fault", "the key is another one")
	return t.swarm.Guest.SetKeys(ctx, c.old, "")
}

// oldMayGo waits until all registries know that all have both keys.
func (t *trial) oldMayGo(ctx context.Context) error {
	return t.await(ctx, func() (string, error) {
		for _, m := range t.swarm.Members {
			if err := t.forgetReplaced(ctx, m); err != nil {
				return fmt.Sprintf("status of %s: %v", m.Name, err), nil
			}
			c, err := m.KeyChange(ctx)
			if err != nil {
				return fmt.Sprintf("rotate-key at %s: %v", m.Name, err), nil
			}
			both := 0
			for _, r := range c.Registries {
				if r.Keys == "both" {
					both++
				}
			}
			if c.Stage != "second round" || both != members || slices.ContainsFunc(c.Registries, hasOther) {
				return fmt.Sprintf("rotate-key at %s: %s: %s: %+v", m.Name, c.Stage, c.Next, c.Registries), nil
			}
		}
		return "", nil
	})
}

// hasOther reports whether a registry that is here has not both keys.
func hasOther(r driver.KeyHolder) bool {
	return (r.State == "this one" || r.State == "connected") && r.Keys != "both"
}

// rekeyGuest gives one that was shut out both keys, too, so that it is not the key that shuts it out.
func (t *trial) rekeyGuest(ctx context.Context) error {
	g := t.swarm.Guest
	if err := g.SetKeys(ctx, t.keys.old, t.keys.next); err != nil || !g.Running() {
		return err
	}
	return t.restart(ctx, g)
}
