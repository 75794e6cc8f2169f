package main

import (
	"context"
	"fmt"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/swarm"
)

// copies waits until all that images need is on enough disks, and nothing is damaged.
func (t *trial) copies(ctx context.Context) error {
	for _, m := range t.swarm.Members {
		if err := t.verify(ctx, m); err != nil {
			return err
		}
	}
	must, _ := t.load.Need()
	err := t.await(ctx, func() (string, error) {
		for _, m := range t.swarm.Members {
			if err := t.forgetReplaced(ctx, m); err != nil {
				return fmt.Sprintf("status of %s: %v", m.Name, err), nil
			}
		}
		return t.missing(must)
	})
	if err != nil {
		return err
	}
	return t.sound()
}

func (t *trial) missing(must map[string]string) (string, error) {
	stocks, err := t.stocks()
	if err != nil {
		return "", err
	}
	few, one := 0, ""
	for digest, of := range must {
		on := ""
		for i, s := range stocks {
			if s[digest] != "" {
				on += t.swarm.Members[i].Name
			}
		}
		if len(on) < t.o.replicas {
			few++
			one = fmt.Sprintf("%s of %s is on %q", digest, of, on)
		}
	}
	if few == 0 {
		return "", nil
	}
	return fmt.Sprintf("%d of %d blobs are on fewer than %d disks, such as: %s", few, len(must), t.o.replicas, one), nil
}

// sound reads all files of blobs.
func (t *trial) sound() error {
	stocks, err := t.stocks()
	if err != nil {
		return err
	}
	for i, s := range stocks {
		for want, path := range s {
			if got, err := swarm.Hash(path); err == nil && got != want {
				return fmt.Errorf("the disk of %s has %s where %s should be: %s", t.swarm.Members[i].Name, got, want, path)
			}
		}
	}
	return nil
}

// garbage collects what nothing refers to, and waits until no disk has anything else than
// what images are made of.
func (t *trial) garbage(ctx context.Context) error {
	return t.await(ctx, func() (string, error) {
		for _, m := range t.swarm.Members {
			short, cancel := context.WithTimeout(ctx, time.Minute)
			result, err := m.Collect(short, 0)
			cancel()
			t.journal.Note("collect", "%s: %+v, %v", m.Name, result, err)
			if err == nil {
				err = t.forgetGone(ctx, m, result.WaitsFor)
			}
			if err != nil {
				return fmt.Sprintf("collect garbage on %s: %v", m.Name, err), nil
			}
			if len(result.WaitsFor) > 0 {
				return fmt.Sprintf("%s waits for %+v", m.Name, result.WaitsFor), nil
			}
		}
		_, may := t.load.Need()
		stocks, err := t.stocks()
		if err != nil {
			return "", err
		}
		for i, s := range stocks {
			for digest, path := range s {
				if may[digest] == nil {
					return fmt.Sprintf("the disk of %s has %s, which no image needs: %s", t.swarm.Members[i].Name, digest, path), nil
				}
			}
		}
		return "", nil
	})
}

// cache waits until no disk has more of what others keep than it may, and nothing that is damaged.
func (t *trial) cache(ctx context.Context) error {
	return t.await(ctx, func() (string, error) {
		for _, m := range t.swarm.Members {
			st, err := m.Ask(ctx)
			switch {
			case err != nil:
				return fmt.Sprintf("status of %s: %v", m.Name, err), nil
			case st.Cache.Limit != nil && st.Cache.Bytes > *st.Cache.Limit:
				return fmt.Sprintf("the cache of %s: %+v, at most %d", m.Name, st.Cache, *st.Cache.Limit), nil
			case len(st.Blobs.Damaged) > 0:
				return fmt.Sprintf("damaged on %s: %q", m.Name, st.Blobs.Damaged), nil
			}
		}
		return "", nil
	})
}
