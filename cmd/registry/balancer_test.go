package main_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/opencontainers/go-digest"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/errgroup"
)

const user, password = "ann", "of this test"

// balanced is three registries that want a password, behind a load balancer that sends
// each request to another one than the last.
type balanced struct {
	ps       []*process
	balancer *httptest.Server
	url      string // of the API there, without /v2
	turn     atomic.Int64

	locations atomic.Value // the last, as it came
}

// newBalanced adds a line to the http: block of every registry, in which BALANCER
// stands for the load balancer's URL.
func newBalanced(t *testing.T, line string) *balanced {
	t.Helper()
	b := &balanced{}
	b.balancer = httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: b.ps[b.turn.Add(1)%3].HTTP})
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
		FlushInterval: -1,
	})
	b.url = "http://" + b.balancer.Listener.Addr().String()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	key := keygen(t)
	for i := range 3 {
		extra := []string{key}
		if i > 0 {
			extra = append(extra, b.ps[0].bootstrap())
		}
		p := newProcess(t, extra...)
		passwords := filepath.Join(p.Dir, "htpasswd")
		if err := os.WriteFile(passwords, []byte(user+":"+string(hash)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		appendConfig(t, p, "  "+strings.ReplaceAll(line, "BALANCER", b.url)) // the http: block is the last
		appendConfig(t, p, fmt.Sprintf("auth: {htpasswd: {realm: test, path: %s}}", passwords))
		b.ps = append(b.ps, p)
	}
	for i := range b.ps {
		b.ps[2-i].spawn()
	}
	for _, p := range b.ps {
		await(t, "the registry answers", func() bool {
			resp, err := http.Get("http://" + p.HTTP + "/v2/")
			if err == nil {
				_ = resp.Body.Close()
			}
			return err == nil && resp.StatusCode != http.StatusOK // or 404, below a prefix
		})
	}
	await(t, "everyone is connected to everyone", func() bool {
		for _, p := range b.ps {
			n := 0
			for _, m := range p.status().Members {
				if m.Connected {
					n++
				}
			}
			if n < 2 {
				return false
			}
		}
		return true
	})
	b.balancer.Start()
	t.Cleanup(b.balancer.Close)
	return b
}

// do sends a request with the password, and reads the answer.
func (b *balanced) do(t *testing.T, method, url string, body []byte) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	req.SetBasicAuth(user, password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if location, err := resp.Location(); err == nil { // else there is none
		b.locations.Store(resp.Header.Get("Location"))
		resp.Header.Set("Location", location.String())
	}
	return resp, text
}

// at is the same place as location, at one registry: Location leads to the balancer.
func (b *balanced) at(t *testing.T, i int, location string) string {
	t.Helper()
	rest, ok := strings.CutPrefix(location, b.url)
	if !ok {
		t.Fatalf("Location is %s, the balancer at %s", location, b.url)
	}
	return "http://" + b.ps[i].HTTP + rest
}

// upload pushes in chunks, and asks how far it is before each.
func (b *balanced) upload(t *testing.T, repository string, content []byte, chunks int) {
	resp, text := b.do(t, http.MethodPost, b.url+"/v2/"+repository+"/blobs/uploads/", nil)
	if resp.StatusCode != http.StatusAccepted {
		t.Errorf("POST: %s %s", resp.Status, text)
		return
	}
	location := resp.Header.Get("Location")
	size := len(content) / chunks
	for i := range chunks {
		resp, text := b.do(t, http.MethodGet, location, nil)
		if resp.StatusCode != http.StatusNoContent || i > 0 && resp.Header.Get("Range") != fmt.Sprintf("0-%d", i*size-1) {
			t.Errorf("GET: %s, at %s of %d, %s", resp.Status, resp.Header.Get("Range"), i*size, text)
			return
		}
		resp, text = b.do(t, http.MethodPatch, resp.Header.Get("Location"), content[i*size:(i+1)*size])
		if resp.StatusCode != http.StatusAccepted {
			t.Errorf("PATCH: %s %s", resp.Status, text)
			return
		}
		location = resp.Header.Get("Location")
	}
	d := digest.FromBytes(content)
	resp, text = b.do(t, http.MethodPut, location+"&digest="+d.String(), content[chunks*size:])
	if want := b.url + "/v2/" + repository + "/blobs/" + d.String(); resp.StatusCode != http.StatusCreated || resp.Header.Get("Location") != want {
		t.Errorf("PUT: %s, Location %s, not %s, %s", resp.Status, resp.Header.Get("Location"), want, text)
	}
	resp, text = b.do(t, http.MethodGet, resp.Header.Get("Location"), nil)
	if resp.StatusCode != http.StatusOK || !bytes.Equal(text, content) {
		t.Errorf("GET: %s, %d bytes of %d", resp.Status, len(text), len(content))
	}
}

func noise(seed uint64, size int) []byte {
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(content) // never fails
	return content
}

// TestUploadsBehindALoadBalancer: each request of an upload comes to another registry.
func TestUploadsBehindALoadBalancer(t *testing.T) {
	b := newBalanced(t, "net: tcp")
	uploads := 1000
	if testing.Short() {
		uploads = 100
	}
	var g errgroup.Group
	g.SetLimit(16)
	for i := range uploads {
		g.Go(func() error {
			b.upload(t, fmt.Sprintf("team/app%d", i%7), noise(uint64(i), 3000+i), 3)
			return nil
		})
	}
	_ = g.Wait()
	img, err := random.Image(100_000, 3)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(b.url, "http://") + "/crane:1"
	auth := crane.WithAuth(&authn.Basic{Username: user, Password: password})
	if err := crane.Push(img, name, crane.Insecure, auth); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		got, err := crane.Pull(name, crane.Insecure, auth)
		if err == nil {
			err = validate.Image(got)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestLocationsLeadThroughTheLoadBalancer, however they are configured to look.
func TestLocationsLeadThroughTheLoadBalancer(t *testing.T) {
	for line, want := range map[string]string{
		"host: BALANCER": "http://", "relativeurls: true": "/v2/", "prefix: /some/where/": "http://",
	} {
		t.Run(line, func(t *testing.T) {
			b := newBalanced(t, line)
			if strings.HasPrefix(line, "prefix") {
				b.url += "/some/where"
			}
			for i := range 3 {
				b.upload(t, "team/app", noise(uint64(i), 5000), 4)
			}
			if last := b.locations.Load().(string); !strings.HasPrefix(last, want) {
				t.Errorf("Location: %s", last)
			}
		})
	}
}

// TestAnUploadThroughAnotherRegistry: one by one, what may go wrong on the way.
func TestAnUploadThroughAnotherRegistry(t *testing.T) {
	b := newBalanced(t, "net: tcp")
	b.turn.Store(2) // the next one comes to the first
	resp, text := b.do(t, http.MethodPost, b.url+"/v2/a/blobs/uploads/", nil)
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%s %s", resp.Status, text)
	}
	location := resp.Header.Get("Location")
	elsewhere := b.at(t, 1, location)

	t.Run("without the password", func(t *testing.T) {
		resp, text := request(t, http.MethodPatch, elsewhere, []byte("bytes"))
		if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "" || !strings.Contains(string(text), "UNAUTHORIZED") {
			t.Errorf("%s %v %s", resp.Status, resp.Header, text)
		}
	})
	t.Run("to whom nobody signed", func(t *testing.T) {
		other := strings.Split(b.ps[2].bootstrap(), "/p2p/")[1]
		forged := strings.Replace(elsewhere, strings.Split(b.ps[0].bootstrap(), "/p2p/")[1], other, 1)
		if forged == elsewhere {
			t.Fatal("the owner is not named")
		}
		if resp, text := b.do(t, http.MethodGet, forged, nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s %s", resp.Status, text)
		}
	})
	t.Run("a client that asks first", func(t *testing.T) {
		if line := expecting(t, elsewhere); !strings.Contains(line, " 100 ") {
			t.Errorf("was not told to go on: %s", line)
		}
	})
	t.Run("a client that hangs up", func(t *testing.T) {
		content := noise(1, 6*mib)
		resp, _ := b.do(t, http.MethodPost, "http://"+b.ps[0].HTTP+"/v2/a/blobs/uploads/", nil)
		other := strings.Replace(resp.Header.Get("Location"), b.ps[0].HTTP, b.ps[1].HTTP, 1)
		hangUp(t, other, content, 5*mib)
		d := digest.FromBytes(content).String()
		await(t, "the rest is taken from where the owner says it is", func() bool {
			resp, _ := b.do(t, http.MethodGet, other, nil)
			var have int
			if _, err := fmt.Sscanf(resp.Header.Get("Range"), "0-%d", &have); err != nil {
				return false
			}
			if have > 0 {
				have++ // it was the last byte's number
			}
			resp, _ = b.do(t, http.MethodPut, resp.Header.Get("Location")+"&digest="+d, content[have:])
			return resp.StatusCode == http.StatusCreated
		})
	})
	t.Run("canceled", func(t *testing.T) {
		if resp, text := b.do(t, http.MethodDelete, elsewhere, nil); resp.StatusCode != http.StatusNoContent {
			t.Errorf("%s %s", resp.Status, text)
		}
		if resp, text := b.do(t, http.MethodGet, elsewhere, nil); resp.StatusCode != http.StatusNotFound || !strings.Contains(string(text), "BLOB_UPLOAD_UNKNOWN") {
			t.Errorf("%s %s", resp.Status, text)
		}
	})
	t.Run("whose owner is gone", func(t *testing.T) {
		resp, _ := b.do(t, http.MethodPost, "http://"+b.ps[2].HTTP+"/v2/a/blobs/uploads/", nil)
		other := strings.Replace(resp.Header.Get("Location"), b.ps[2].HTTP, b.ps[1].HTTP, 1)
		if err := b.ps[2].Stop(); err != nil {
			t.Fatal(err)
		}
		await(t, "it is unknown", func() bool {
			resp, text := b.do(t, http.MethodPatch, other, []byte("bytes"))
			return resp.StatusCode == http.StatusNotFound && strings.Contains(string(text), "BLOB_UPLOAD_UNKNOWN")
		})
	})
}

// conversation begins a PATCH by hand.
func conversation(t *testing.T, location string, size int, more string) net.Conn {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPatch, location, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(user, password)
	if _, err := fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n%s\r\n",
		u.RequestURI(), u.Host, req.Header.Get("Authorization"), size, more); err != nil {
		t.Fatal(err)
	}
	return conn
}

// expecting asks whether a body is welcome, and gives the first line of the answer.
func expecting(t *testing.T, location string) string {
	t.Helper()
	conn := conversation(t, location, 5, "Expect: 100-continue\r\n")
	defer func() { _ = conn.Close() }()
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// hangUp sends the first n bytes of a chunk.
func hangUp(t *testing.T, location string, content []byte, n int) {
	t.Helper()
	conn := conversation(t, location, len(content), "")
	if _, err := conn.Write(content[:n]); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
}
