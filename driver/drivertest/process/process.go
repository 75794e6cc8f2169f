// Package process runs a registry as its users do: the real binary with a configuration of
// its own, as a process. Tests, the demonstration and the measurements share it.
//
//	a := &process.Registry{Name: "A", Binary: "bin/registry", Dir: dir}
//	err := a.Configure("protectorkey: "+key, "bootstrappers: "+address)
//	err = a.Start(ctx) // it answers from now on
//	defer a.Stop()
//	crane.Push(img, a.HTTP+"/demo/go:latest")
//
// Limits: one goroutine starts and ends a registry, though others may ask it things. It knows
// nothing of package testing. When the program that started a registry is killed, the
// registry keeps running, unless Exec arranges otherwise.
package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// How long a registry may take to answer, and to end after a signal.
const (
	StartTimeout = 3 * time.Minute
	StopTimeout  = 2 * time.Minute
)

const (
	poll   = 50 * time.Millisecond
	logEnd = 4 << 10 // bytes of the log that an error quotes
)

// Registry is a registry, and its process while it runs. It can be started again after it
// has ended.
type Registry struct {
	Name   string   // what errors call it
	Binary string   // a file, or a name in $PATH
	Dir    string   // where it runs, and Configure puts what is not set here; "": where this process does
	Config string   // file
	Data   string   // datastorepath, if Configure writes the configuration
	Log    string   // file that it appends to; "": this process's stderr
	HTTP   string   // host:port on which it serves
	Listen string   // host:port at which members reach it, if Configure writes the configuration
	Env    []string // in addition to this process's own

	// Exec makes the command that runs it, such as one in another network namespace. Nil:
	// exec.Command.
	Exec func(name string, args ...string) *exec.Cmd
	// Client reaches HTTP. Nil: http.DefaultClient.
	Client *http.Client

	pid   int           // of cmd, or the one before
	cmd   *exec.Cmd     // nil: not started, or its end was waited for
	ended chan struct{} // closed when it has ended, after exit was set
	exit  error
}

// Start runs the registry and waits until it answers. After an error it does not run.
func (r *Registry) Start(ctx context.Context) error {
	if err := r.Spawn(); err != nil {
		return err
	}
	if err := r.AwaitAnswer(ctx); err != nil {
		r.Kill()
		return err
	}
	return nil
}

// AwaitAnswer waits until the registry answers, for StartTimeout at most.
func (r *Registry) AwaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, StartTimeout)
	defer cancel()
	return r.Await(ctx, "answers", func() bool { return r.answers(ctx) })
}

// Spawn runs the registry and does not wait until it answers.
func (r *Registry) Spawn() error {
	if r.cmd != nil {
		return fmt.Errorf("start %s: it is already running", r.Name)
	}
	cmd := r.exec()(r.binary(), "serve", r.Config)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = r.Dir, r.environment(), os.Stderr, os.Stderr
	if r.Log != "" {
		log, err := os.OpenFile(r.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("start %s: %w", r.Name, err)
		}
		defer func() { _ = log.Close() }() // the process has its own
		cmd.Stdout, cmd.Stderr = log, log
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", r.Name, err)
	}
	ended := make(chan struct{})
	r.pid, r.cmd, r.ended = cmd.Process.Pid, cmd, ended
	go func() {
		r.exit = cmd.Wait()
		close(ended)
	}()
	return nil
}

func (r *Registry) exec() func(string, ...string) *exec.Cmd {
	if r.Exec == nil {
		return exec.Command
	}
	return r.Exec
}

// binary does not depend on the directory in which it runs.
func (r *Registry) binary() string {
	if abs, err := filepath.Abs(r.Binary); err == nil && filepath.Base(r.Binary) != r.Binary {
		return abs
	}
	return r.Binary
}

func (r *Registry) environment() []string { return append(os.Environ(), r.Env...) }

// answers reports whether the registry speaks HTTP: with what status does not matter.
func (r *Registry) answers(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.HTTP+"/v2/", nil)
	if err != nil {
		return false
	}
	resp, err := cmp.Or(r.Client, http.DefaultClient).Do(req)
	return err == nil && resp.Body.Close() == nil
}

// Await waits until ok is true, and fails when the registry or ctx ends first. What completes
// "wait until it …" in its error.
func (r *Registry) Await(ctx context.Context, what string, ok func() bool) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for !ok() {
		select {
		case <-r.ended:
			return r.failed(fmt.Errorf("it ended: %w", cmp.Or(r.exit, errors.New("exit status 0"))))
		case <-ctx.Done():
			return r.failed(fmt.Errorf("wait until it %s: %w", what, ctx.Err()))
		case <-tick.C:
		}
	}
	return nil
}

// Ended is closed when the process that was started last has ended. Wait says how it did.
func (r *Registry) Ended() <-chan struct{} { return r.ended }

// Running reports whether the registry was started, and its end not waited for.
func (r *Registry) Running() bool { return r.cmd != nil }

// PID is the ID of the process that was started last, 0 before.
func (r *Registry) PID() int { return r.pid }

// Signal sends a signal to a registry that runs, and does not wait.
func (r *Registry) Signal(sig os.Signal) error {
	if err := r.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("send %s to %s: %w", sig, r.Name, err)
	}
	return nil
}

// Stop ends the registry by SIGTERM. Its error is nil when the registry then exits with
// status 0, or when it does not run.
func (r *Registry) Stop() error { return r.End(syscall.SIGTERM) }

// Kill ends the registry as the kernel does when memory runs out.
func (r *Registry) Kill() { _ = r.End(syscall.SIGKILL) }

// End sends a signal, unless the registry has ended by itself, and waits.
func (r *Registry) End(sig os.Signal) error {
	if r.cmd == nil {
		return nil
	}
	_ = r.cmd.Process.Signal(sig)
	return r.Wait()
}

// Wait waits until the registry has ended: for StopTimeout, and then it kills it. Its error
// is how the process exited, an *exec.ExitError, and quotes the log.
func (r *Registry) Wait() error {
	if r.cmd == nil {
		return nil
	}
	cmd := r.cmd
	r.cmd = nil
	select {
	case <-r.ended:
	case <-time.After(StopTimeout):
		_ = cmd.Process.Kill()
		<-r.ended
		return r.failed(fmt.Errorf("it did not end in %s", StopTimeout))
	}
	if r.exit != nil {
		return r.failed(r.exit)
	}
	return nil
}

// failed adds the end of the log to an error.
func (r *Registry) failed(err error) error {
	err = fmt.Errorf("registry %s: %w", r.Name, err)
	f, openErr := os.Open(r.Log)
	if openErr != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if info, statErr := f.Stat(); statErr == nil {
		_, _ = f.Seek(max(0, info.Size()-logEnd), io.SeekStart)
	}
	if text, _ := io.ReadAll(f); len(text) > 0 {
		return fmt.Errorf("%w\n%s", err, text)
	}
	return err
}
