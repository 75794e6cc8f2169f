package kube_test

import (
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/kube"
)

// pod is the root directory of a pod whose API server answers so.
func pod(t *testing.T, status int, body string) string {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/apis/apps/v1/namespaces/images/statefulsets/registry" || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("asked for %s as %s", r.URL, r.Header.Get("Authorization"))
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", host)
	t.Setenv("KUBERNETES_SERVICE_PORT", port)
	root := t.TempDir()
	dir := filepath.Join(root, "var/run/secrets/kubernetes.io/serviceaccount")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"token": "secret\n", "namespace": "images",
		"ca.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestLeaves: who goes for good is said by the StatefulSet, and nothing else.
func TestLeaves(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		pod    string
		leaves bool
		gone   bool // deleted
		fails  bool
	}{
		"scaled down below it":  {200, `{"spec":{"replicas":2}}`, "registry-2", true, false, false},
		"the last that stays":   {200, `{"spec":{"replicas":2}}`, "registry-1", false, false, false},
		"all are switched off":  {200, `{"spec":{"replicas":0}}`, "registry-1", false, false, false},
		"one by default":        {200, `{"spec":{}}`, "registry-1", true, false, false},
		"counted from five":     {200, `{"spec":{"replicas":2,"ordinals":{"start":5}}}`, "registry-6", false, false, false},
		"deleted":               {404, `{}`, "registry-1", false, true, false},
		"being deleted":         {200, `{"metadata":{"deletionTimestamp":"2026-11-28T12:00:00Z"},"spec":{"replicas":1}}`, "registry-1", false, true, false},
		"its account deleted":   {401, `{}`, "registry-1", false, true, false},
		"it may not ask":        {403, `{}`, "registry-1", false, false, true},
		"no JSON":               {200, `<html>`, "registry-1", false, false, true},
		"a pod of another set":  {200, `{"spec":{"replicas":1}}`, "other-1", false, false, true},
		"a pod without ordinal": {200, `{"spec":{"replicas":1}}`, "registry-x7k2p", false, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := kube.InCluster(pod(t, c.status, c.body))
			if err != nil {
				t.Fatal(err)
			}
			leaves, err := client.Leaves(t.Context(), "registry", c.pod)
			if leaves != c.leaves || errors.Is(err, kube.ErrGone) != c.gone || (err != nil) != (c.fails || c.gone) {
				t.Errorf("%v, %v", leaves, err)
			}
		})
	}
}

// TestNoPod: outside of Kubernetes it says so.
func TestNoPod(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if _, err := kube.InCluster("/"); err == nil {
		t.Error("it is taken for a pod")
	}
}
