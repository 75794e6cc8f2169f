package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/tools/release/internal/archive"
)

// stamps is the package into which the linker writes what `registry version` says.
const stamps = "github.com/distribution-ipfs/distribution-ipfs/driver/internal/build"

// readCommit asks git what is released.
func (r *release) readCommit(ctx context.Context) error {
	changed, err := r.git(ctx, "status", "--porcelain")
	if err != nil {
		return err
	}
	if changed != "" {
		return fmt.Errorf("these files are not as in the last commit: commit them first, so that others can build the same:\n%s", changed)
	}
	if r.commit, err = r.git(ctx, "rev-parse", "HEAD"); err != nil {
		return err
	}
	date, err := r.git(ctx, "log", "-1", "--format=%cI")
	if err != nil {
		return err
	}
	when, err := time.Parse(time.RFC3339, date)
	r.date = when.UTC()
	return err
}

func (r *release) git(ctx context.Context, args ...string) (string, error) {
	out, err := r.run(ctx, nil, "git", args...)
	return strings.TrimSpace(out), err
}

// run runs a program in the checkout, and returns what it said.
func (r *release) run(ctx context.Context, environment []string, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.Stderr = r.root, append(os.Environ(), environment...), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", filepath.Base(program), strings.Join(args[:min(len(args), 2)], " "), err)
	}
	return string(out), nil
}

// binary is where the binary of a platform is.
func (r *release) binary(t target) string {
	return filepath.Join(r.out, "build", t.String(), "registry")
}

// build builds the binary of a platform: static, without paths of this machine, and without symbols.
func (r *release) build(ctx context.Context, t target) error {
	out, err := filepath.Abs(r.binary(t))
	if err != nil {
		return err
	}
	stamped := fmt.Sprintf("-s -w -X %s.version=%s -X %s.commit=%s -X %s.date=%s", stamps, r.version, stamps, r.commit, stamps, r.date.Format(time.RFC3339))
	_, err = r.run(ctx, t.environment(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", stamped, "-o", out, "./cmd/registry")
	return err
}

// sharedDir is where the files are that are the same for all platforms.
func (r *release) sharedDir() string { return filepath.Join(r.out, "build", "shared") }

// shared makes the files that are the same for all platforms: what the binary of this machine writes of
// itself, the changes, and those that are in the checkout.
func (r *release) shared(ctx context.Context) (files []archive.File, err error) {
	here := r.targets[slices.IndexFunc(r.targets, target.here)]
	binary, err := filepath.Abs(r.binary(here))
	if err != nil {
		return nil, err
	}
	pages, err := filepath.Abs(filepath.Join(r.sharedDir(), "man"))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(pages, 0o755); err != nil {
		return nil, err
	}
	if _, err := r.run(ctx, nil, binary, "man", pages); err != nil {
		return nil, err
	}
	for shell, file := range map[string]string{"bash": "registry.bash", "zsh": "_registry", "fish": "registry.fish"} {
		script, err := r.run(ctx, nil, binary, "completion", shell)
		if err != nil {
			return nil, err
		}
		if err := write(filepath.Join(r.sharedDir(), "completion", file), script); err != nil {
			return nil, err
		}
	}
	changes, err := r.changes(ctx)
	if err != nil {
		return nil, err
	}
	if err := write(filepath.Join(r.sharedDir(), "CHANGES.md"), changes); err != nil {
		return nil, err
	}
	if err := write(filepath.Join(r.out, "CHANGES.md"), changes); err != nil {
		return nil, err
	}
	return r.list()
}

// list names all shared files by their places in the archive.
func (r *release) list() (files []archive.File, err error) {
	for _, file := range []string{"LICENSE", "README.md", "config.example.yml", "deploy/package/registry.service"} {
		files = append(files, archive.File{Name: filepath.Base(file), Path: filepath.Join(r.root, file)})
	}
	err = filepath.WalkDir(r.sharedDir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		inside, err := filepath.Rel(r.sharedDir(), path)
		files = append(files, archive.File{Name: filepath.ToSlash(inside), Path: path})
		return err
	})
	return files, err
}

// changes are those of this release, from changelog/: its own file, or, before `make changes` has made
// that, put together of the pieces.
func (r *release) changes(ctx context.Context) (string, error) {
	batched, err := os.ReadFile(filepath.Join(r.root, "changelog", r.version+".md"))
	text := string(batched)
	if os.IsNotExist(err) {
		text, err = r.run(ctx, []string{"GOFLAGS="}, "go", "tool", "-modfile=tools/go.mod", "changie", "batch", "--dry-run", r.version)
	}
	if err != nil {
		return "", err
	}
	_, body, _ := strings.Cut(strings.TrimSpace(text), "\n") // the first line has the day on which it was put together
	return fmt.Sprintf("# distribution-ipfs %s (%s)\n%s\n", r.version, r.date.Format(time.DateOnly), body), nil
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
