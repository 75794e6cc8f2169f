package main

import (
	"context"
	"errors"
	"os/exec"
	"syscall"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/swarm"
)

func (t *trial) kill(ctx context.Context) error {
	m := t.any()
	t.count("kill", "%s", m.Name)
	m.Kill()
	if err := t.pause(ctx, 0, 2*time.Second); err != nil {
		return err
	}
	return m.Start(ctx)
}

// killAll is what happens when the power of a whole site fails, but for the disks.
func (t *trial) killAll(ctx context.Context) error {
	for _, m := range t.order() {
		t.count("kill-all", "%s", m.Name)
		if err := m.Signal(syscall.SIGKILL); err != nil {
			return err
		}
	}
	for _, m := range t.order() {
		m.Kill() // waits for its end
		if err := m.Spawn(); err != nil {
			return err
		}
	}
	return t.swarm.Heal(ctx)
}

func (t *trial) killStart(ctx context.Context) error {
	m := t.any()
	t.count("kill", "%s", m.Name)
	m.Kill()
	for range 2 {
		if err := m.Spawn(); err != nil {
			return err
		}
		if err := t.pause(ctx, 0, 600*time.Millisecond); err != nil {
			return err
		}
		t.count("kill-start", "%s", m.Name)
		m.Kill()
	}
	return m.Start(ctx)
}

func (t *trial) term(ctx context.Context) error {
	return t.restart(ctx, t.any())
}

func (t *trial) rolling(ctx context.Context) error {
	for _, m := range t.order() {
		if err := t.restart(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) restart(ctx context.Context, m *swarm.Member) error {
	t.count("term", "%s", m.Name)
	t.stop(m)
	return m.Start(ctx)
}

// stop ends a registry in order. That takes some time, and it is killed if it takes too long;
// but another status than 0 is wrong.
func (t *trial) stop(m *swarm.Member) {
	err := m.Stop()
	var exit *exec.ExitError
	if errors.As(err, &exit) && !exit.Sys().(syscall.WaitStatus).Signaled() {
		t.note(&t.never, "NOT TRUE", "SIGTERM: %v", err)
	} else if err != nil {
		t.journal.Note("slow", "SIGTERM: %v", err)
	}
}

func (t *trial) suspend(ctx context.Context) error {
	m := t.any()
	t.count("suspend", "%s", m.Name)
	if err := m.Suspend(); err != nil {
		return err
	}
	if err := t.pause(ctx, grace+time.Second, 2*grace); err != nil {
		return err
	}
	return m.Resume()
}

func (t *trial) clock(ctx context.Context) error {
	if t.late != nil {
		t.late.SetClock(0)
		if err := t.restart(ctx, t.late); err != nil {
			return err
		}
	}
	t.late = t.any()
	by := 3 * 24 * time.Hour
	if t.random.IntN(2) == 0 {
		by = -by
	}
	t.count("clock", "%s by %s", t.late.Name, by)
	t.late.SetClock(by)
	t.stop(t.late)
	return t.late.Start(ctx)
}
