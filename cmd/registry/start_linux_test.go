package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
)

// read is how many bytes a registry has read since it started.
func (p *process) read() (n int64) {
	p.t.Helper()
	io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.PID()))
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(io), "rchar: %d", &n); err != nil {
		p.t.Fatal(err)
	}
	return n
}

// TestAStartReadsNoBlob: neither after a kill, nor where a byte changed on disk. The change
// is noticed when the blob is fetched, and no client gets wrong bytes.
func TestAStartReadsNoBlob(t *testing.T) {
	const size = 48 * mib
	ps := swarm(t, 2)
	a, b := ps[0], ps[1]
	content, path := layer(t, a, size)
	a.Kill()
	file := filepath.Join(a.Data, "blobs", cidOf(t, a, digest.FromBytes(content)))
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{^content[size/2]}, size/2); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	a.start()
	if n := a.read(); n > size/4 {
		t.Errorf("it read %d bytes to start, with a blob of %d", n, size)
	}
	if s := a.status(); s.Blobs.Here != 1 || s.Blobs.Missing != 0 {
		t.Errorf("blobs: %+v", s.Blobs)
	}
	await(t, "the map arrives", func() bool { return b.status().Map.Entries == 2 })
	await(t, "they are connected", b.sees)
	if got, status, err := body(b, path); err == nil && status == 200 {
		t.Errorf("%d bytes came, one of them damaged", len(got))
	}
}
