package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
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

// process is a running registry.
type process struct {
	t      *testing.T
	binary string
	dir    string
	config string
	http   string
	env    []string // beside the test's own
	wrap   []string // what runs the registry, if anything
	cmd    *exec.Cmd
	exited chan error
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := loopback.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// newProcess configures a registry; extra are more lines of its ipfs: block.
func newProcess(t *testing.T, extra ...string) *process {
	t.Helper()
	p := &process{t: t, binary: binary, dir: t.TempDir(), http: freeAddr(t)}
	_, port, _ := net.SplitHostPort(freeAddr(t))
	block := append([]string{"datastorepath: " + filepath.Join(p.dir, "data"), "listenaddrs: /ip4/127.0.0.1/tcp/" + port, "dataaddrs: /ip4/127.0.0.1/tcp/0"}, extra...)
	text := fmt.Sprintf("version: 0.1\nlog: {accesslog: {disabled: true}}\nstorage:\n  delete: {enabled: true}\n  ipfs:\n    %s\nhttp:\n  addr: %s\n  draintimeout: 5s\n",
		strings.Join(block, "\n    "), p.http)
	p.config = filepath.Join(p.dir, "config.yml")
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

func (p *process) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.binary, append(args, p.config)...)
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), p.env...)
	return cmd
}

// wrapped is a command as the registry itself is run.
func (p *process) wrapped(args ...string) *exec.Cmd {
	args = append(slices.Clone(p.wrap), args...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), p.env...)
	return cmd
}

// start runs the registry and waits until it answers.
func (p *process) start() *process {
	p.t.Helper()
	p.spawn()
	await(p.t, "the registry answers", func() bool {
		resp, err := http.Get("http://" + p.http + "/v2/")
		if err == nil {
			_ = resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	})
	return p
}

func (p *process) spawn() {
	p.t.Helper()
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	p.cmd = p.wrapped(p.binary, "serve", p.config)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan<- error) { exited <- cmd.Wait() }(p.cmd, p.exited)
}

func (p *process) signal(sig syscall.Signal) error {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.exited:
		p.cmd = nil
		return err
	case <-time.After(30 * time.Second):
		p.t.Fatal("the registry does not end")
		return nil
	}
}

func (p *process) kill() {
	if p.cmd != nil {
		_ = p.signal(syscall.SIGKILL)
	}
}

func (p *process) status() driver.Status {
	p.t.Helper()
	out, err := p.command("ipfs", "status", "--json").Output()
	if err != nil {
		p.t.Fatal(err)
	}
	var s driver.Status
	if err := json.Unmarshal(out, &s); err != nil {
		p.t.Fatal(err)
	}
	return s
}

func (p *process) bootstrap() string {
	p.t.Helper()
	out, err := p.command("ipfs", "id").Output()
	if err != nil {
		p.t.Fatal(err)
	}
	return "bootstrappers: " + strings.Fields(string(out))[1]
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func keygen(t *testing.T) string {
	t.Helper()
	out, err := exec.Command(binary, "ipfs", "keygen").Output()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("protectorkey: %q", strings.TrimSpace(string(out)))
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
	await(t, "everyone is connected to everyone", func() bool {
		for _, p := range ps {
			connected := 0
			for _, m := range p.status().Members {
				if m.Connected {
					connected++
				}
			}
			if connected < len(ps)-1 {
				return false
			}
		}
		return true
	})
}

// replaceLine changes a line of the configuration, which is known by its beginning.
func (p *process) replaceLine(t *testing.T, begin, line string) {
	t.Helper()
	content, err := os.ReadFile(p.config)
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
	if err := os.WriteFile(p.config, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// fails runs serve and returns what it says on stderr, which has to be one line.
func (p *process) fails() string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.binary, "serve", p.config)
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), p.env...)
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
