package lab

import (
	"context"
	"io"
	"testing"
	"time"
)

func openMesh(t *testing.T, n int) *Mesh {
	t.Helper()
	m, err := openLab(t).Mesh(n)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// reaches tries to connect from one space to another for some time.
func reaches(t *testing.T, to, from *Space, some time.Duration) bool {
	t.Helper()
	l, err := to.Listen("tcp", to.Addr()+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), some)
	defer cancel()
	c, err := from.Dial(ctx, "tcp", l.Addr().String())
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

func TestMeshIsCutAndHealed(t *testing.T) {
	m := openMesh(t, 3)
	m.Set(Fault{Cut: func(from, to int) bool { return (from == 0) != (to == 0) }})
	if reaches(t, m.Spaces[0], m.Spaces[1], 100*time.Millisecond) {
		t.Error("0 is reached from 1, from which it is cut off")
	}
	if !reaches(t, m.Spaces[2], m.Spaces[1], within) {
		t.Error("2 is not reached from 1, which is on the same side")
	}
	m.Set(Fault{})
	if !reaches(t, m.Spaces[0], m.Spaces[1], within) {
		t.Error("0 is not reached after the cut has healed")
	}
}

func TestMeshLosesPacketsAndNoBytes(t *testing.T) {
	m := openMesh(t, 2)
	m.Set(Fault{Loss: 0.05, Burst: 0.3})
	at, from := connect(t, m.Spaces[0], m.Spaces[1])
	const size = 256 << 10
	go func() {
		_, _ = io.CopyN(at, zeros{}, size)
		_ = at.Close()
	}()
	if n, err := io.Copy(io.Discard, from); err != nil || n != size {
		t.Fatalf("%d of %d bytes came: %v", n, size, err)
	}
}

func TestAShareOfThePacketsIsLost(t *testing.T) {
	f := Fault{Loss: 0.05, Burst: 0.3}
	lost, inBurst := 0, false
	const all = 200_000
	for range all {
		if f.loses(0, 1, &inBurst) {
			lost++
		}
	}
	// 5 % of nine packets in ten, 30 % of the tenth.
	if share := float64(lost) / all; share < 0.065 || share > 0.085 {
		t.Errorf("%.3f of the packets are lost", share)
	}
}
