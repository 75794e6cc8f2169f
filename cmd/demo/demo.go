package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

// demo runs the whole demonstration; each step prints a line.
func demo(ctx context.Context, binary string) (err error) {
	dir, err := os.MkdirTemp("", "registry-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	key, err := process.Keygen(ctx, binary)
	if err != nil {
		return err
	}
	say("made a protector key, which only these two registries have")

	a, err := start(ctx, binary, dir, "A", "protectorkey: "+key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Stop()) }()
	addr, err := a.Address(ctx)
	if err != nil {
		return err
	}
	say("registry A  %s  joins nobody: a new swarm", a.HTTP)
	b, err := start(ctx, binary, dir, "B", "protectorkey: "+key, "bootstrappers: "+addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Stop()) }()
	if err := b.AwaitMembers(ctx, 1); err != nil {
		return err
	}
	say("registry B  %s  joined by %s", b.HTTP, addr)
	return pushAndPull(ctx, a, b)
}

func start(ctx context.Context, binary, dir, name string, lines ...string) (*process.Registry, error) {
	r := &process.Registry{Name: name, Binary: binary, Dir: filepath.Join(dir, name), Env: []string{"REGISTRY_LOG_LEVEL=warn"}}
	if err := r.Configure(lines...); err != nil {
		return nil, err
	}
	return r, r.Start(ctx)
}

func pushAndPull(ctx context.Context, a, b *process.Registry) error {
	img, err := image()
	if err != nil {
		return fmt.Errorf("make an image: %w", err)
	}
	want, err := img.Digest()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := crane.Push(img, a.HTTP+"/demo/go:latest", crane.WithContext(ctx), crane.Insecure); err != nil {
		return fmt.Errorf("push to A: %w", err)
	}
	say("pushed %s/demo/go:latest, %s, in %s", a.HTTP, size(img), since(began))
	say("            %s", want)

	began = time.Now()
	pulled, err := crane.Pull(b.HTTP+"/demo/go:latest", crane.WithContext(ctx), crane.Insecure)
	if err != nil {
		return fmt.Errorf("pull from B: %w", err)
	}
	if err := validate.Image(pulled); err != nil {
		return fmt.Errorf("what came from B: %w", err)
	}
	got, err := pulled.Digest()
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("pulled %s from B, pushed %s to A", got, want)
	}
	say("pulled %s/demo/go:latest, every layer verified, in %s", b.HTTP, since(began))
	say("            %s", got)
	return compare(ctx, a, b)
}

func compare(ctx context.Context, a, b *process.Registry) error {
	for _, r := range []*process.Registry{a, b} {
		s, err := r.Status(ctx)
		if err != nil {
			return err
		}
		say("status of %s: %d paths, %d blobs here, map digest %s…", r.Name, s.Map.Entries, s.Blobs.Here, s.Map.Digest[:16])
	}
	if err := a.Stop(); err != nil {
		return fmt.Errorf("stop A: %w", err)
	}
	pulled, err := crane.Pull(b.HTTP+"/demo/go:latest", crane.WithContext(ctx), crane.Insecure)
	if err == nil {
		err = validate.Image(pulled)
	}
	if err != nil {
		return fmt.Errorf("pull from B without A: %w", err)
	}
	say("stopped A; B still serves the image")
	return nil
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func since(t time.Time) time.Duration { return time.Since(t).Round(time.Millisecond) }

func size(img v1.Image) string {
	m, err := img.Manifest()
	if err != nil {
		return "?"
	}
	total := m.Config.Size
	for _, l := range m.Layers {
		total += l.Size
	}
	return humanize.IBytes(uint64(total))
}
