package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/swarm"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// newcomer replaces a registry by another one on an empty disk.
func (t *trial) newcomer(ctx context.Context) error {
	m := t.any()
	return t.without(ctx, m, func() error { return t.replace(ctx, m) })
}

// drain replaces a registry as soon as it says that it may be switched off, with clients that
// go on meanwhile.
func (t *trial) drain(ctx context.Context) error {
	m := t.any()
	t.count("drain", "%s", m.Name)
	short, cancel := context.WithTimeout(ctx, t.o.patience)
	defer cancel()
	why := ""
	st, err := m.Drain(short, func(now driver.DrainState) {
		if now.Reason != why {
			why = now.Reason
			t.journal.Note("wait", "until %s is drained: %+v", m.Name, now)
		}
	})
	if err != nil || !st.Done {
		return errors.Join(ctx.Err(), fmt.Errorf("drain %s: %+v: %w", m.Name, st, err))
	}
	t.journal.Note("fault", "%s is drained: %+v", m.Name, st)
	return t.replace(ctx, m)
}

func (t *trial) replace(ctx context.Context, m *swarm.Member) error {
	t.count("newcomer", "%s, which was %s", m.Name, m.Peer())
	m.Kill()
	old, err := m.Wipe(ctx, false)
	if err != nil {
		return err
	}
	t.gone.Store(old, true)
	if err := m.DropBackup(); err != nil {
		return err
	}
	if err := t.unaware(ctx, m); err != nil {
		return err
	}
	return t.forgetEverywhere(ctx, old, nil)
}

// forget has a registry that is away be forgotten, and come back.
func (t *trial) forget(ctx context.Context) error {
	m := t.any()
	return t.without(ctx, m, func() error {
		t.count("forget", "%s", m.Name)
		t.stop(m)
		if err := t.forgetEverywhere(ctx, m.Peer(), m); err != nil {
			return err
		}
		other := t.any()
		for other == m {
			other = t.any()
		}
		short, cancel := context.WithTimeout(ctx, collectTimeout)
		defer cancel()
		result, err := other.Collect(short, time.Second)
		t.journal.Note("collect", "%s, without %s: %+v, %v", other.Name, m.Name, result, err)
		return m.Start(ctx)
	})
}

// forgetEverywhere has all registries but one forget a peer, as soon as they see that it is
// away. One that has never heard of it has nothing to forget.
func (t *trial) forgetEverywhere(ctx context.Context, peer string, but *swarm.Member) error {
	for _, m := range t.swarm.Members {
		if m == but {
			continue
		}
		err := t.await(ctx, func() (string, error) {
			st, err := m.Ask(ctx)
			if err != nil {
				return fmt.Sprintf("status of %s: %v", m.Name, err), nil
			}
			known := false
			for _, other := range st.Members {
				known = known || other.PeerID == peer
			}
			for _, other := range st.Garbage.WaitsFor {
				known = known || other.PeerID == peer
			}
			if !known {
				return "", nil
			}
			if err := m.Forget(ctx, peer); err != nil {
				return fmt.Sprintf("%s does not forget %s: %v", m.Name, peer, err), nil
			}
			return "", nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetGone does what the operator does whose registry waits for others that were replaced:
// one that got an empty disk, or an old one, hears of them again.
func (t *trial) forgetGone(ctx context.Context, m *swarm.Member, waitsFor []driver.Unheard) error {
	for _, who := range waitsFor {
		if _, gone := t.gone.Load(who.PeerID); !gone {
			continue
		}
		if err := m.Forget(ctx, who.PeerID); err != nil {
			return err
		}
		t.journal.Note("forget", "%s forgets %s again", m.Name, who.PeerID)
	}
	return nil
}

// forgetReplaced does so where a registry takes those that were replaced for members that are
// away: while these are more than a third, nothing moves.
func (t *trial) forgetReplaced(ctx context.Context, m *swarm.Member) error {
	st, err := m.Ask(ctx)
	if err != nil {
		return err
	}
	for _, other := range st.Members {
		if _, gone := t.gone.Load(other.PeerID); !gone || other.Connected {
			continue
		}
		if err := m.Forget(ctx, other.PeerID); err != nil {
			return err
		}
		t.journal.Note("forget", "%s forgets %s again", m.Name, other.PeerID)
	}
	return nil
}
