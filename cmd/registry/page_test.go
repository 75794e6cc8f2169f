package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestThePage looks at a swarm of two as a browser does: the page is served where the debug server is,
// and nowhere else, and tells of both registries until one of them is gone. The registry stops while
// one browser looks, and another reads nothing.
func TestThePage(t *testing.T) {
	key := keygen(t)
	a, hidden := newProcess(t, key, "name: attic"), newProcess(t, key, "name: cellar")
	debug := a.debugged(t)
	a.start()
	b := newProcess(t, key, a.bootstrap(), "name: barn").start()
	hidden.start()
	for url, want := range map[string]int{
		"http://" + debug + "/ipfs/":       http.StatusOK,
		"http://" + debug + "/ipfs/app.js": http.StatusOK,
		"http://" + debug + "/ipfs/v2/":    http.StatusNotFound,
		"http://" + a.HTTP + "/ipfs/":      http.StatusNotFound, // which is for clients
		"http://" + hidden.HTTP + "/ipfs/": http.StatusNotFound, // which has no debug server
	} {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s", url, resp.Status)
		}
		if want == http.StatusOK && !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %v", url, resp.Header)
		}
	}
	seen := watch(t, debug, "swarm")
	met := seen.until("swarm", func(data string) bool {
		var s driver.SwarmStatus
		seen.decode(data, &s)
		return len(s.Members) == 2 && s.Members[1].Name == "barn" && len(s.Members[0].ConnectedTo) == 1 && len(s.Members[1].ConnectedTo) == 1
	})
	if !strings.Contains(met, b.status().PeerID) {
		t.Error(met)
	}
	img := push(t, b, "team/app:1")
	pull(t, a, "team/app:1", img)
	watch(t, debug, "transfers").until("transfers", func(data string) bool {
		var s driver.TransferStories
		seen.decode(data, &s)
		return len(s.Finished) > 0 && s.Finished[0].Result == "whole"
	})
	b.Kill()
	seen.until("here", func(data string) bool { return strings.Contains(data, `"name":"barn","connected":false`) })
	deaf, err := net.Dial("tcp", debug)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = deaf.Close() }()
	if _, err := fmt.Fprintf(deaf, "GET /ipfs/events?view=swarm HTTP/1.1\r\nHost: %s\r\n\r\n", debug); err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
}

// TestThePageForClients: with `ui: true` clients see it, below the prefix, behind the registry's own
// auth, and while one looks the registry stops as soon as without.
func TestThePageForClients(t *testing.T) {
	p := newProcess(t, keygen(t), "ui: true")
	const user, password = "alice", "opensesame"
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	passwords := filepath.Join(p.Dir, "htpasswd")
	if err := os.WriteFile(passwords, []byte(user+":"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	appendConfig(t, p, "  prefix: /all/\nauth: {htpasswd: {realm: test, path: "+passwords+"}}") // the http: block is the last
	p.spawn()
	get := func(path, password string) *http.Response {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		t.Cleanup(cancel)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.HTTP+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if password != "" {
			req.SetBasicAuth(user, password)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return &http.Response{} // it is starting
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	await(t, "it answers", func() bool { return get("/all/v2/", password).StatusCode == http.StatusOK })
	for _, path := range []string{"/all/ipfs/", "/all/ipfs", "/all/ipfs/app.js", "/all/ipfs/data/images", "/all/ipfs/events?view=swarm"} {
		for _, wrong := range []string{"", "sesame"} {
			resp := get(path, wrong)
			if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(resp.Header.Get("WWW-Authenticate"), "Basic") {
				t.Errorf("%s with password %q: %s %v", path, wrong, resp.Status, resp.Header)
			}
		}
	}
	for path, want := range map[string]int{"/all/ipfs/": 200, "/all/ipfs": 200, "/all/ipfs/app.js": 200, "/all/ipfs/data/images": 200, "/ipfs/": 404, "/all/ipfs/v1/status": 404} {
		if resp := get(path, password); resp.StatusCode != want {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	resp := get("/all/ipfs/events?view=swarm", password)
	looks := seen{t, bufio.NewScanner(resp.Body)}
	looks.until("swarm", func(data string) bool { return strings.Contains(data, `"self":true`) })
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if log, err := os.ReadFile(p.Log); err != nil || strings.Contains(string(log), "http.draintimeout") {
		t.Errorf("it waited for who looked: %v\n%s", err, log)
	}
}

// seen is what a browser is told.
type seen struct {
	t     *testing.T
	lines *bufio.Scanner
}

func watch(t *testing.T, debug, view string) seen {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // for what until waits for
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+debug+"/ipfs/events?view="+view, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	return seen{t, bufio.NewScanner(resp.Body)}
}

// until waits for an event whose data are as wanted, for as long as the stream goes on.
func (s seen) until(name string, ok func(data string) bool) string {
	s.t.Helper()
	for s.lines.Scan() {
		if s.lines.Text() != "event: "+name || !s.lines.Scan() {
			continue
		}
		if data := strings.TrimPrefix(s.lines.Text(), "data: "); ok(data) {
			return data
		}
	}
	s.t.Fatalf("%s: the stream ended: %v", name, s.lines.Err())
	return ""
}

func (s seen) decode(data string, v any) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(data), v); err != nil {
		s.t.Fatal(err)
	}
}
