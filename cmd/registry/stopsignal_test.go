package main_test

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
)

// TestNotReadyWhileRequestsEnd: from SIGTERM on the registry says that it is shutting down,
// while it still serves a request that began before.
func TestNotReadyWhileRequestsEnd(t *testing.T) {
	p := newProcess(t, keygen(t))
	debug := p.debugged(t)
	p.Env = append(p.Env, "REGISTRY_HTTP_DRAINTIMEOUT=2m")
	p.start()
	if status, text := probe(debug, "/readyz"); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	location := send(t, http.MethodPost, "http://"+p.HTTP+"/v2/a/blobs/uploads/", nil, http.StatusAccepted)
	body, answered := openPatch(t, location)
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, "the registry is not ready", func() bool {
		status, text := probe(debug, "/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(text, "shutting down")
	})
	if reasons := strings.Join(p.status().NotReady, "\n"); !strings.Contains(reasons, "shutting down") {
		t.Errorf("the status says %q", reasons)
	}
	if _, err := body.Write([]byte("the end")); err != nil {
		t.Error(err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	if status := <-answered; status != http.StatusAccepted {
		t.Errorf("the request that began before ended with %d", status)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

// openPatch begins a PATCH, and returns when the registry reads its body. answered then
// has its status, 0 when there was no answer.
func openPatch(t *testing.T, location string) (body *io.PipeWriter, answered <-chan int) {
	t.Helper()
	r, w := io.Pipe()
	req, err := http.NewRequest(http.MethodPatch, location, r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Expect", "100-continue")
	reads, status := make(chan struct{}), make(chan int, 1)
	trace := &httptrace.ClientTrace{Got100Continue: func() { close(reads) }}
	go func() {
		resp, err := http.DefaultClient.Do(req.WithContext(httptrace.WithClientTrace(t.Context(), trace)))
		if err != nil {
			status <- 0
			return
		}
		_ = resp.Body.Close()
		status <- resp.StatusCode
	}()
	select {
	case <-reads:
	case s := <-status:
		t.Fatalf("the PATCH was answered at once: %d", s)
	}
	return w, status
}
