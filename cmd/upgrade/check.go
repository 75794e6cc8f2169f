package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// answered waits until a registry answers what was acknowledged, and returns how many images that
// are. What is deleted has to be gone.
func (t *trial) answered(ctx context.Context, r *registry) (images int, err error) {
	var wg sync.WaitGroup
	errs := make([]error, len(t.load.clients))
	counts := make([]int, len(t.load.clients))
	for n, c := range t.load.clients {
		wg.Go(func() { counts[n], errs[n] = t.answeredOf(ctx, r, c) })
	}
	wg.Wait()
	for n := range counts {
		if images += counts[n]; errs[n] != nil {
			err = errs[n]
		}
	}
	return images, err
}

func (t *trial) answeredOf(ctx context.Context, r *registry, c *client) (images int, err error) {
	wait := func(of func() string) {
		if err == nil {
			err = t.swarm.await(ctx, func(context.Context) string { return of() })
		}
	}
	for _, i := range c.images {
		switch {
		case i.gone:
			wait(func() string { return i.there(ctx, r) })
		case !i.doubtful:
			images++
			wait(func() string { why, _ := i.read(ctx, r); return why })
		}
	}
	if c.current != "" {
		wait(func() string { return c.currentAt(ctx, r) })
	}
	return images, err
}

// there is what a registry still answers of an image that was deleted; "": nothing.
func (i *image) there(ctx context.Context, r *registry) string {
	for _, ref := range []string{i.tag, i.digest} {
		status, _, err := r.read(ctx, "/v2/"+i.repo+"/manifests/"+ref)
		if err != nil || status != http.StatusNotFound {
			return fmt.Sprintf("%s:%s, which was deleted, at %s: status %d, %v", i.repo, ref, r.Name, status, err)
		}
	}
	return ""
}

// currentAt is what is wrong with the tag that was moved; "": nothing.
func (c *client) currentAt(ctx context.Context, r *registry) string {
	status, digest, err := r.read(ctx, "/v2/"+c.repo+"/manifests/current")
	if err != nil || status != http.StatusOK || digest != c.current && !slices.Contains(c.maybe, digest) {
		return fmt.Sprintf("%s:current at %s: status %d, %s, not %s; %v", c.repo, r.Name, status, digest, c.current, err)
	}
	return ""
}

// pullAll pulls all images from a registry, which may refuse to answer, and may not deny any. Clients may
// go on meanwhile.
func (t *trial) pullAll(ctx context.Context, r *registry) {
	for _, c := range t.load.clients {
		c.mu.Lock()
		images := slices.Clone(c.images)
		c.mu.Unlock()
		for _, i := range images {
			c.pull(ctx, r, i)
		}
	}
}

// understood is what a registry and all its members say that they understand.
func understood(st driver.Status) []string {
	all := slices.Clone(st.Capabilities)
	for _, m := range st.Members {
		all = slices.DeleteFunc(all, func(c string) bool { return !slices.Contains(m.Capabilities, c) })
	}
	return all
}

// features checks what is on and off, and says so. Mixed: some registries are of the earlier release.
func (t *trial) features(ctx context.Context, mixed bool) (string, error) {
	newer := slices.DeleteFunc(slices.Clone(t.later), func(c string) bool { return slices.Contains(t.earlier, c) })
	for _, c := range t.earlier {
		if len(t.later) > 0 && !slices.Contains(t.later, c) {
			return "", fmt.Errorf("the later release has no capability %s, which the earlier one has", c)
		}
	}
	dropped := 0
	for _, r := range t.swarm.all {
		st, err := r.ask(ctx)
		if err != nil {
			return "", err
		}
		all := understood(st)
		for _, c := range t.later {
			if on := slices.Contains(all, c); on == (mixed && slices.Contains(newer, c)) {
				return "", fmt.Errorf("capability %s at %s: understood by all: %t", c, r.Name, on)
			}
		}
		dropped += st.Map.History.Compacted
	}
	if mixed && slices.Contains(newer, compaction) && dropped > t.dropped {
		return "", fmt.Errorf("%d changes were dropped while a registry of the earlier release was in the swarm", dropped-t.dropped)
	}
	t.dropped = dropped
	switch {
	case len(newer) == 0:
		return "none is new", nil
	case mixed:
		return "off: " + strings.Join(newer, ", "), nil
	}
	return "on: " + strings.Join(newer, ", "), nil
}

// compaction is the capability without which no history is dropped.
const compaction = "compaction"

// compacted waits until each registry has dropped some history, if there is enough of it.
func (t *trial) compacted(ctx context.Context) error {
	if t.o.history < compactedFrom || !slices.Contains(t.later, compaction) {
		return nil
	}
	return t.swarm.await(ctx, func(ctx context.Context) string {
		for _, r := range t.swarm.all {
			st, err := r.ask(ctx)
			if h := st.Map.History; err != nil || h.Compacted == 0 {
				return fmt.Sprintf("%s has dropped nothing of %d changes, waits for %v, held: %q; %v", r.Name, h.Kept, h.WaitsFor, h.Held, err)
			}
		}
		return ""
	})
}

const compactedFrom = 12_501
