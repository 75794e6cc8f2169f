package main_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// growth is an upload that the second disk takes while it grows.
type growth struct {
	*testing.T
	content []byte
	sent    int
	at      string
}

func growing(t *testing.T, p *process, size int) *growth {
	t.Helper()
	g := &growth{T: t, content: randomBytes(size)}
	g.at = send(t, http.MethodPost, "http://"+p.HTTP+"/v2/a/blobs/uploads/", nil, http.StatusAccepted)
	g.send(12 << 20)
	return g
}

func (g *growth) send(n int) {
	g.Helper()
	g.at = send(g.T, http.MethodPatch, g.at, g.content[g.sent:g.sent+n], http.StatusAccepted)
	g.sent += n
}

// end sends the rest, and gives the answer's status.
func (g *growth) end() int {
	g.Helper()
	resp, text := request(g.T, http.MethodPut, g.at+"&digest="+g.digest().String(), g.content[g.sent:])
	if resp.StatusCode != http.StatusCreated {
		g.Logf("%s %s", resp.Status, text)
	}
	return resp.StatusCode
}

func (g *growth) digest() digest.Digest { return digest.FromBytes(g.content) }

// requireBlob reads the blob that the upload became.
func (g *growth) requireBlob(p *process) {
	g.Helper()
	resp := get(g.T, p, "/v2/a/blobs/"+g.digest().String(), "")
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(got, g.content) {
		g.Errorf("%s: %d bytes came, %v", resp.Status, len(got), err)
	}
}

// taken is the files that a registry has of uploads that it takes.
func (p *process) taken() (files []string, size int64) {
	files, _ = filepath.Glob(filepath.Join(p.Data, "staging", "writers", "*"))
	hidden, _ := filepath.Glob(filepath.Join(p.Data, "staging", "writers", ".*"))
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			size += info.Size()
		}
	}
	return append(files, hidden...), size
}

func awaitTaken(t *testing.T, p *process) {
	t.Helper()
	await(t, "the second disk takes what grows", func() bool { _, n := p.taken(); return n >= 11<<20 })
}

func requireNothingTaken(t *testing.T, ps ...*process) {
	t.Helper()
	for _, p := range ps {
		await(t, "nothing is left of what was taken", func() bool { left, _ := p.taken(); return len(left) == 0 })
	}
}

// wipe takes a registry away, with its disk.
func (p *process) wipe() {
	p.t.Helper()
	p.Kill()
	if err := os.RemoveAll(p.Data); err != nil {
		p.t.Fatal(err)
	}
}

// TestTheTakerIsKilled while it takes an upload, and has nothing of it when it is back: the end of
// the upload is refused, and taken when it is tried again. Then it is on that disk.
func TestTheTakerIsKilled(t *testing.T) {
	t.Parallel()
	a, b := acknowledged(t, 3*time.Second)
	g := growing(t, a, 20<<20)
	awaitTaken(t, b)
	b.Kill()
	if left, _ := b.taken(); len(left) == 0 {
		t.Error("the kill left nothing: it came too late")
	}
	if got := g.end(); got != http.StatusServiceUnavailable {
		t.Fatalf("answered with %d", got)
	}
	b.start()
	awaitAllConnected(t, []*process{a, b})
	requireNothingTaken(t, b)
	await(t, "it is acknowledged", func() bool { return g.end() == http.StatusCreated })
	requireNothingTaken(t, a, b)
	a.wipe()
	g.requireBlob(b)
}

// TestBothDisksAreKilledAtTheAnswer, and the first is lost: the second has the blob when it is back,
// which nobody else has.
func TestBothDisksAreKilledAtTheAnswer(t *testing.T) {
	t.Parallel()
	a, b := acknowledged(t, within)
	g := growing(t, a, 20<<20)
	awaitTaken(t, b)
	if got := g.end(); got != http.StatusCreated {
		t.Fatalf("answered with %d", got)
	}
	b.Kill()
	a.wipe()
	b.start()
	requireNothingTaken(t, b)
	g.requireBlob(b)
}

// TestThePusherIsKilled while its upload is taken, which leaves nothing on the second disk. When it
// is back, the upload goes on, and is taken again from its first byte on.
func TestThePusherIsKilled(t *testing.T) {
	t.Parallel()
	a, b := acknowledged(t, within)
	g := growing(t, a, 24<<20)
	awaitTaken(t, b)
	a.Kill()
	requireNothingTaken(t, b)
	a.start()
	awaitAllConnected(t, []*process{a, b})
	g.send(4 << 20)
	awaitTaken(t, b)
	if got := g.end(); got != http.StatusCreated {
		t.Fatalf("answered with %d", got)
	}
	a.wipe()
	g.requireBlob(b)
	requireNothingTaken(t, b)
}
