package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// demo runs the whole demonstration; each step prints a line.
func demo(ctx context.Context, binary string) (err error) {
	dir, err := os.MkdirTemp("", "registry-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	key, err := exec.CommandContext(ctx, binary, "ipfs", "keygen").Output()
	if err != nil {
		return fmt.Errorf("make a protector key: %w", err)
	}
	say("made a protector key, which only these two registries have")

	a, err := start(ctx, binary, dir, "a", strings.TrimSpace(string(key)), "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.stop()) }()
	addr, err := a.address(ctx)
	if err != nil {
		return err
	}
	say("registry A  %s  joins nobody: a new swarm", a.http)
	b, err := start(ctx, binary, dir, "b", strings.TrimSpace(string(key)), addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	if err := b.awaitMember(ctx); err != nil {
		return err
	}
	say("registry B  %s  joined by %s", b.http, addr)
	return pushAndPull(ctx, a, b)
}

func pushAndPull(ctx context.Context, a, b *registry) error {
	img, err := image()
	if err != nil {
		return fmt.Errorf("make an image: %w", err)
	}
	want, err := img.Digest()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := crane.Push(img, a.http+"/demo/go:latest", crane.WithContext(ctx), crane.Insecure); err != nil {
		return fmt.Errorf("push to A: %w", err)
	}
	say("pushed %s/demo/go:latest, %s, in %s", a.http, size(img), since(began))
	say("            %s", want)

	began = time.Now()
	pulled, err := crane.Pull(b.http+"/demo/go:latest", crane.WithContext(ctx), crane.Insecure)
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
	say("pulled %s/demo/go:latest, every layer verified, in %s", b.http, since(began))
	say("            %s", got)
	return compare(ctx, a, b)
}

func compare(ctx context.Context, a, b *registry) error {
	for _, r := range []*registry{a, b} {
		s, err := r.status(ctx)
		if err != nil {
			return err
		}
		say("status of %s: %d paths, %d blobs here, map digest %s…", strings.ToUpper(r.name), s.Map.Entries, s.Blobs.Here, s.Map.Digest[:16])
	}
	if err := a.stop(); err != nil {
		return fmt.Errorf("stop A: %w", err)
	}
	pulled, err := crane.Pull(b.http+"/demo/go:latest", crane.WithContext(ctx), crane.Insecure)
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
