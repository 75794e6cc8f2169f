package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
	running "github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

// binary is the registry, built once for all tests of this package.
var binary string

// stamp is written into it as the Makefile does.
const (
	buildPackage = "github.com/distribution-ipfs/distribution-ipfs/driver/internal/build"
	stamp        = "-X " + buildPackage + ".version=v0.0.1 -X " + buildPackage + ".commit=4ca5caf -X " + buildPackage + ".date=2026-11-27T13:20:00Z"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "registry-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "registry")
	if out, err := exec.Command("go", "build", "-ldflags", stamp, "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// process is a registry of a test, which ends with it; what fails, fails the test.
type process struct {
	*running.Registry
	t *testing.T
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := loopback.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// newProcess configures a registry; extra are more lines of its ipfs: block. It keeps no copies
// unless one of these says so: what it fetches is what a test asks for. Its requests have the
// patience to hear every member out on a busy machine.
func newProcess(t *testing.T, extra ...string) *process {
	t.Helper()
	for _, line := range []string{"replicas: 0", "synctimeout: 45s"} {
		key, _, _ := strings.Cut(line, " ")
		if !slices.ContainsFunc(extra, func(line string) bool { return strings.HasPrefix(line, key) }) {
			extra = append(slices.Clone(extra), line)
		}
	}
	p := &process{&running.Registry{Name: t.Name(), Binary: binary, Dir: t.TempDir()}, t}
	if err := p.Configure(extra...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func (p *process) command(args ...string) *exec.Cmd { return p.Command(p.t.Context(), args...) }

// under has a registry run by another program, which gets its command as further arguments.
func under(program ...string) func(string, ...string) *exec.Cmd {
	return func(name string, args ...string) *exec.Cmd {
		return exec.Command(program[0], slices.Concat(program[1:], []string{name}, args)...)
	}
}

// start runs the registry and waits until it answers.
func (p *process) start() *process {
	p.t.Helper()
	if err := p.Start(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	return p
}

func (p *process) spawn() {
	p.t.Helper()
	if err := p.Spawn(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) status() driver.Status {
	p.t.Helper()
	s, err := p.Status(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// sees reports whether any other registry is connected; one that went before it was of use is
// not named any more.
func (p *process) sees() bool {
	p.t.Helper()
	return slices.ContainsFunc(p.status().Members, func(m driver.Member) bool { return m.Connected })
}

func (p *process) bootstrap() string {
	p.t.Helper()
	addr, err := p.Address(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return "bootstrappers: " + addr
}

// within bounds every wait for what comes soon, even on a busy machine.
const within = 3 * time.Minute

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func keygen(t *testing.T) string {
	t.Helper()
	key, err := running.Keygen(t.Context(), binary)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("protectorkey: %q", key)
}

// swarm starts n registries, all but the first bootstrapped from the first, the
// first one last. Extra are more lines of everyone's ipfs: block.
func swarm(t *testing.T, n int, extra ...string) []*process {
	t.Helper()
	extra = append(extra, keygen(t))
	ps := []*process{newProcess(t, extra...)}
	for range n - 1 {
		ps = append(ps, newProcess(t, append(slices.Clone(extra), ps[0].bootstrap())...))
	}
	for i := n - 1; i >= 0; i-- {
		ps[i].start()
	}
	awaitAllConnected(t, ps)
	return ps
}

func awaitAllConnected(t *testing.T, ps []*process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for _, p := range ps {
		if err := p.AwaitMembers(ctx, len(ps)-1); err != nil {
			t.Fatal(err)
		}
	}
}

// replaceLine changes a line of the configuration, which is known by its beginning.
func (p *process) replaceLine(t *testing.T, begin, line string) {
	t.Helper()
	content, err := os.ReadFile(p.Config)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(content), "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(strings.TrimSpace(l), begin) })
	if i < 0 {
		t.Fatalf("no line %s in the configuration", begin)
	}
	indent, _, _ := strings.Cut(lines[i], begin)
	lines[i] = indent + line
	if err := os.WriteFile(p.Config, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// fails runs serve and returns what it says on stderr, which has to be one line.
func (p *process) fails() string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	cmd := p.Command(ctx, "serve")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		p.t.Errorf("exit: %v", err)
	}
	if n := strings.Count(stderr.String(), "\n"); n != 1 {
		p.t.Errorf("%d lines: %q", n, stderr.String())
	}
	return stderr.String()
}
