package main_test

import (
	"strings"
	"testing"
)

// TestPrestop drains nothing when nobody says that the pod goes for good.
func TestPrestop(t *testing.T) {
	p := newProcess(t, keygen(t)).start()
	if out, err := p.command("prestop", "--linger", "1ms").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%s, %v", out, err)
	}
	hook := p.command("prestop", "--linger", "1ms", "--statefulset", "registry", "--pod", "registry-1")
	hook.Env = append(hook.Environ(), "KUBERNETES_SERVICE_HOST=")
	if out, err := hook.CombinedOutput(); err == nil || !strings.Contains(string(out), "this is no pod of Kubernetes") {
		t.Errorf("%s, %v", out, err)
	}
	if p.status().Copies.Draining {
		t.Error("it is being drained")
	}
}
