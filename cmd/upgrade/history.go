package main

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

const historyTags = 100

// lengthen has one client move tags until a registry that counts the changes has so many: one after the
// other, because what is dropped is counted by how many follow each other. They are counted only a moment
// after a start.
func (t *trial) lengthen(ctx context.Context) error {
	for n := 0; n < t.o.history; n += historyTags {
		kept := 0
		for _, r := range t.swarm.all {
			st, err := r.ask(ctx)
			if err != nil {
				return fmt.Errorf("status of %s: %w", r.Name, err)
			}
			kept = max(kept, st.Map.History.Kept+st.Map.History.Compacted)
		}
		if kept >= t.o.history {
			return nil
		}
		if err := t.load.clients[0].moveTags(ctx); err != nil {
			return err
		}
	}
	return nil // each has made a change, though no registry may count them
}

// moveTags gives other tags to an image that is there.
func (c *client) moveTags(ctx context.Context) error {
	var some *image
	err := c.load.swarm.await(ctx, func(context.Context) string {
		if some = c.some(); some == nil {
			return "the client of " + c.home.Name + " has no image that stays"
		}
		return ""
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, historyTags*clientPatience)
	defer cancel()
	ref, err := c.reference("@" + some.digest)
	if err != nil {
		return err
	}
	options := c.options(ctx)
	manifest, err := remote.Get(ref, options...)
	for n := 0; n < historyTags && err == nil; n++ {
		err = remote.Tag(ref.Context().Tag(fmt.Sprintf("moved%d", n)), manifest, options...)
	}
	return err
}
