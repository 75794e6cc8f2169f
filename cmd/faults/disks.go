package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/swarm"
)

// full fills a disk, or leaves it some room now and then, and kills the registry meanwhile
// every third time.
func (t *trial) full(ctx context.Context) error {
	m := t.any()
	t.count("full", "%s, %d MiB free", m.Name, m.Disk.Free()>>20)
	defer m.Disk.Empty()
	if t.random.IntN(2) == 0 {
		if err := m.Disk.Breathe(t.random, 2*time.Second); err != nil {
			return err
		}
	} else if err := m.Disk.Fill(); err != nil {
		return err
	}
	if err := t.pause(ctx, time.Second, 3*time.Second); err != nil {
		return err
	}
	if t.random.IntN(3) > 0 {
		return nil
	}
	t.count("kill", "%s, on a full disk", m.Name)
	m.Kill()
	m.Disk.Empty()
	return m.Start(ctx)
}

// without keeps clients away from a registry, and waits until its disk may be lost.
func (t *trial) without(ctx context.Context, m *swarm.Member, lose func() error) error {
	err := m.Shun(ctx, true)
	if err == nil {
		t.journal.Note("wait", "until %s may be lost", m.Name)
		err = t.await(ctx, func() (string, error) { return t.onlyOn(ctx, m) })
	}
	if err == nil {
		err = lose()
	}
	if err == nil {
		err = m.Shun(ctx, false)
	}
	return err
}

// onlyOn says what would be lost with a disk: what images need, and what clients share and
// might find there.
func (t *trial) onlyOn(ctx context.Context, m *swarm.Member) (string, error) {
	stocks, err := t.stocks()
	if err != nil {
		return "", err
	}
	must, may := t.load.Need()
	shared, err := t.load.Shared()
	if err != nil {
		return "", err
	}
	digest, of := only(stocks, m.Index, wanted{must, shared, may, func(n name) bool { return t.nobodyHas(ctx, n) }})
	if digest == "" {
		return "", nil
	}
	return fmt.Sprintf("the blob %s of %s is on no other disk than that of %s", digest, of, m.Name), nil
}

// nobodyHas reports whether all registries answer that there is no such image. One that does not
// know, since it is catching up or has not heard a member, answers with 503 instead.
func (t *trial) nobodyHas(ctx context.Context, n name) bool {
	for _, m := range t.swarm.Members {
		if digest, err := t.load.Look(ctx, m, n); err != nil || digest != "" {
			return false
		}
	}
	return true
}

// wanted is what may not be lost.
type wanted struct {
	must   map[string]string // blobs, by the image that needs them
	shared map[string]bool   // blobs that clients might find
	may    map[string][]name // blobs, by the images that may be there
	gone   func(name) bool   // an image is not there
}

// only gives a blob that would be lost with a disk, and what needs it; "" when there is none. What
// may be there counts where that disk has it: after a delete that was answered with 503 the image is
// there after all, or it is garbage, and then its blobs go from that disk by themselves, sooner or
// later: no other registry fetches them, so that they are not waited for.
func only(stocks []swarm.Stock, disk int, w wanted) (digest, of string) {
	elsewhere := func(digest string) bool {
		for i, stock := range stocks {
			if i != disk && stock[digest] != "" {
				return true
			}
		}
		return false
	}
	for digest, of := range w.must {
		if !elsewhere(digest) {
			return digest, of
		}
	}
	for digest := range stocks[disk] {
		if elsewhere(digest) {
			continue
		}
		if w.shared[digest] {
			return digest, "images that are pushed again"
		}
		for _, n := range w.may[digest] {
			if !w.gone(n) {
				return digest, n.String() + ", which may be there"
			}
		}
	}
	return "", ""
}

func (t *trial) stocks() ([]swarm.Stock, error) {
	all := make([]swarm.Stock, members)
	for i, m := range t.swarm.Members {
		var err error
		if all[i], err = m.Stock(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// flip damages blobs of which there are other copies, and has the registry mend them: when
// clients read them after a start, and when it is asked to look.
func (t *trial) flip(ctx context.Context) error {
	m := t.any()
	return t.without(ctx, m, func() error {
		stock, err := m.Stock()
		if err != nil {
			return err
		}
		must, _ := t.load.Need()
		all := slices.Sorted(maps.Keys(stock))
		t.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		flipped := 0
		for _, digest := range all {
			if flipped == 8 || must[digest] == "" {
				continue
			}
			if err := swarm.Flip(stock[digest], t.random.Int64()); err != nil {
				t.journal.Note("fault", "no bit of %s at %s: %v", digest, m.Name, err)
				continue // it was removed just now
			}
			flipped++
			t.count("flip", "%s of %s at %s", digest, must[digest], m.Name)
		}
		if t.random.IntN(2) == 0 {
			if err := t.readFlipped(ctx, m); err != nil {
				return err
			}
		}
		return t.verify(ctx, m)
	})
}

// readFlipped starts the registry anew, so that it verifies what it reads, and lets clients in.
func (t *trial) readFlipped(ctx context.Context, m *swarm.Member) error {
	if err := t.restart(ctx, m); err != nil {
		return err
	}
	if err := m.Shun(ctx, false); err != nil {
		return err
	}
	return t.pause(ctx, time.Second, 3*time.Second)
}

// verify has a registry look through its disk until nothing is wrong.
func (t *trial) verify(ctx context.Context, m *swarm.Member) error {
	return t.await(ctx, func() (string, error) {
		result, err := m.Verify(ctx)
		switch {
		case err != nil:
			return fmt.Sprintf("verify %s: %v", m.Name, err), nil
		case result.Unmended() > 0:
			return fmt.Sprintf("%s cannot mend: %+v", m.Name, result.Findings), nil
		}
		return "", nil
	})
}

func (t *trial) wipe(ctx context.Context) error {
	m := t.any()
	return t.without(ctx, m, func() error { return t.loseDisk(ctx, m, "wipe") })
}

// wipeAcked loses a disk right after the 201 of a push, for whose copy nobody has waited but the
// registry itself, as ackreplicas says.
func (t *trial) wipeAcked(ctx context.Context) error {
	m := t.any()
	return t.without(ctx, m, func() error {
		err := t.await(ctx, func() (string, error) {
			if err := t.load.PushTo(ctx, m); err != nil {
				return fmt.Sprintf("push to %s: %v", m.Name, err), nil
			}
			return "", nil
		})
		if err != nil {
			return err
		}
		return t.loseDisk(ctx, m, "wipe-acked")
	})
}

// loseDisk kills a registry first, so that it has no time for anything else.
func (t *trial) loseDisk(ctx context.Context, m *swarm.Member, name string) error {
	m.Kill()
	t.count(name, "%s", m.Name)
	if _, err := m.Wipe(ctx, true); err != nil {
		return err
	}
	return t.unaware(ctx, m)
}

func (t *trial) backup(ctx context.Context) error {
	m := t.any()
	t.count("term", "%s, to back it up", m.Name)
	t.stop(m)
	if err := m.BackUp(); err != nil {
		return err
	}
	return m.Start(ctx)
}

// restore replaces a disk by an older copy, if there is one.
func (t *trial) restore(ctx context.Context) error {
	var with []*swarm.Member
	for _, m := range t.swarm.Members {
		if m.HasBackup() {
			with = append(with, m)
		}
	}
	if len(with) == 0 {
		return t.backup(ctx)
	}
	m := pick(t.random, with)
	return t.without(ctx, m, func() error {
		t.count("restore", "%s", m.Name)
		m.Kill()
		if err := m.Restore(); err != nil {
			return err
		}
		return t.unaware(ctx, m)
	})
}
