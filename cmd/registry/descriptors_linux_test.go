package main_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

// TestPushesWithoutFileDescriptors are refused before anything is taken. Clients that send
// nothing more hold many, and then there may be few more.
func TestPushesWithoutFileDescriptors(t *testing.T) {
	const limit, each, left = 1024, 36, 45 // a little less than there may be, so that none gives way
	p := newProcess(t, keygen(t))
	p.Exec = under("sh", "-ec", `ulimit -n "$1"; shift; exec "$@"`, "sh", strconv.Itoa(limit))
	p.start()
	content := randomBytes(100_000)
	done, half := begin(t, p, content), begin(t, p, content)
	img := push(t, p, "a:1")
	open := func() int {
		fds, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(p.PID()), "fd"))
		if err != nil {
			t.Fatal(err)
		}
		return len(fds)
	}
	allow := func(n int) {
		t.Helper()
		if err := unix.Prlimit(p.PID(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(n), Max: limit}, nil); err != nil {
			t.Fatal(err)
		}
	}
	before := open()
	var idle []*stranger
	for i := range 4 {
		s := &stranger{t: t, from: fmt.Sprintf("127.0.0.%d", 30+i)}
		t.Cleanup(s.leave)
		s.open(each, p.HTTP, "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n") // then it may say nothing for minutes
		idle = append(idle, s)
	}
	await(t, "the connections are there", func() bool { return open() >= before+4*each-10 })
	allow(open() + left)
	for what, ask := range map[string]func() (*http.Response, []byte){
		"POST": func() (*http.Response, []byte) {
			return request(t, http.MethodPost, "http://"+p.HTTP+"/v2/a/blobs/uploads/", nil)
		},
		"PATCH":           func() (*http.Response, []byte) { return request(t, http.MethodPatch, half, content) },
		"PUT of manifest": func() (*http.Response, []byte) { return sendManifest(t, "http://"+p.HTTP+"/v2/a/manifests/2", img) },
	} {
		resp, text := ask()
		if resp.StatusCode != http.StatusServiceUnavailable || !bytes.Contains(text, []byte("file descriptors")) || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %s %s", what, resp.Status, text)
		}
	}
	pull(t, p, "a:1", img)
	send(t, http.MethodPut, done+"&digest="+digest.FromBytes(content).String(), nil, http.StatusCreated)
	for _, s := range idle {
		s.leave()
	}
	allow(limit)
	half = send(t, http.MethodPatch, half, content, http.StatusAccepted)
	send(t, http.MethodPut, half+"&digest="+digest.FromBytes(append(content, content...)).String(), nil, http.StatusCreated)
}
