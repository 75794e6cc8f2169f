package process_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

// script is a registry that the shell acts; the one on addr answers for it.
func script(t *testing.T, addr, text string) *process.Registry {
	t.Helper()
	return &process.Registry{
		Name: "A", Binary: "registry", Log: filepath.Join(t.TempDir(), "log"), HTTP: addr,
		Exec: func(string, ...string) *exec.Cmd { return exec.Command("sh", "-c", text) },
	}
}

func answering(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestAStartThatFailsSaysWhy(t *testing.T) {
	r := script(t, silent(t), "echo no room >&2; exit 3")
	err := r.Start(t.Context())
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(err.Error(), "no room") {
		t.Errorf("%v", err)
	}
	if r.Running() {
		t.Error("it is said to run")
	}
}

func TestStartAndStopAgain(t *testing.T) {
	r := script(t, answering(t), `trap "exit 0" TERM; echo up; while :; do sleep 0.01; done`)
	for range 2 {
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := r.Await(t.Context(), "is up", func() bool {
			log, err := os.ReadFile(r.Log)
			return err == nil && strings.HasSuffix(string(log), "up\n")
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(r.Stop(), os.Truncate(r.Log, 0)); err != nil {
			t.Error(err)
		}
		if err := r.Stop(); err != nil || r.Running() {
			t.Errorf("stopped twice: %v", err)
		}
	}
}

func TestAnEndTellsTheSignal(t *testing.T) {
	r := script(t, answering(t), "exec sleep 60")
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := r.End(syscall.SIGKILL); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("%v", err)
	}
	select {
	case <-r.Ended():
	default:
		t.Error("it has not ended")
	}
}
