package main_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

const mib = 1 << 20

// layer pushes one blob of random bytes.
func layer(t *testing.T, p *process, size int) ([]byte, string) {
	t.Helper()
	content := make([]byte, size)
	_, _ = rand.Read(content) // never fails
	d := digest.FromBytes(content)
	location := send(t, http.MethodPost, "http://"+p.HTTP+"/v2/a/blobs/uploads/", nil, http.StatusAccepted)
	send(t, http.MethodPut, location+"&digest="+d.String(), content, http.StatusCreated)
	return content, "/v2/a/blobs/" + d.String()
}

// body reads a blob; what comes short is an error.
func body(p *process, path string) ([]byte, int, error) {
	resp, err := http.Get("http://" + p.HTTP + path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return b, resp.StatusCode, err
}

// used is what a directory takes of the disk, in bytes.
func used(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // it was removed meanwhile
		}
		if info, err := e.Info(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				n += st.Blocks * 512
			}
		}
		return nil
	})
	return n
}

// linked gives two registries, of which the second reaches the first by a link alone, and the first
// does not reach the second.
func linked(t *testing.T, extra ...string) (a, b *process, link *drivertest.Link) {
	t.Helper()
	key := keygen(t)
	behind := func(extra ...string) (*process, *drivertest.Link) {
		listen := freeAddr(t)
		link, addr := drivertest.LinkTo(t, listen)
		p := newProcess(t, append(extra, key, "announceaddrs: "+multiaddr(addr))...)
		p.replaceLine(t, "listenaddrs:", "listenaddrs: "+multiaddr(listen))
		p.replaceLine(t, "dataaddrs:", `dataaddrs: ""`)
		return p, link
	}
	a, link = behind()
	b, toB := behind(append(extra, a.bootstrap())...)
	toB.Cut(true)
	a.start()
	b.start()
	awaitAllConnected(t, []*process{a, b})
	return a, b, link
}

// halfWay pushes a blob to one registry, has another fetch it, as ask does, and cuts the link
// between them when half of it has passed.
func halfWay(t *testing.T, a, b *process, link *drivertest.Link, size int, ask func(path string)) (content []byte, path string, here int64) {
	t.Helper()
	content, path = layer(t, a, size)
	await(t, "the map arrives", func() bool { return b.status().Map.Entries == 2 })
	link.CutAfter(int64(size / 2))
	ask(path)
	await(t, "half of it has passed", func() bool {
		here = used(filepath.Join(b.Data, "staging"))
		return link.IsCut() && here > 0
	})
	return content, path, here
}

// TestATransferGoesOnAfterARestart cuts off the holder while half of a blob is on its
// way, so that the other registry surely ends in mid-transfer.
func TestATransferGoesOnAfterARestart(t *testing.T) {
	const size = 96 * mib
	for name, sig := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "restarted": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			a, b, link := linked(t)
			var before int64
			var resp *http.Response
			content, path, here := halfWay(t, a, b, link, size, func(path string) {
				before, resp = used(b.Data), get(t, b, path, "")
			})
			_ = resp.Body.Close()
			_ = b.End(sig)
			link.Cut(false)
			b.start()
			got, status, err := body(b, path)
			if err != nil || status != http.StatusOK || !bytes.Equal(got, content) {
				t.Fatalf("%d, %d bytes, %v", status, len(got), err)
			}
			// One leaf a stream may have been under way.
			if s := b.status(); s.Transfers.BytesIn > size-here+8*mib {
				t.Errorf("%d bytes were there and %d were fetched again", here, s.Transfers.BytesIn)
			}
			if after := used(b.Data) - before; after > size+size/100+2*mib {
				t.Errorf("a blob of %d takes %d of the disk", size, after)
			}
		})
	}
}

// TestFullDisk has the second registry's data on a disk of its own.
func TestFullDisk(t *testing.T) {
	key := keygen(t)
	a := newProcess(t, key).start()
	b := newProcess(t, key, a.bootstrap())
	b.onDiskOf(t, 224*mib) // of which 128 are kept
	b.start()
	img := push(t, a, "a:1")
	content, path := layer(t, a, 120*mib)
	pull(t, b, "a:1", img)
	got, status, err := body(b, path)
	if status != http.StatusOK || err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d, %d bytes of what is not kept: %v", status, len(got), err)
	}
	for _, dir := range []string{"blobs", "staging"} {
		if n := used(filepath.Join(b.disk(), dir)); n > 20*mib {
			t.Errorf("%d bytes are kept in %s", n, dir)
		}
	}
	pull(t, b, "a:1", img) // what is here is served
	pull(t, b, "a:2", push(t, a, "a:2"))
	pull(t, a, "a:3", push(t, b, "a:3"))
}

// TestFullDiskAndCancel fills the disk with an upload, which is then canceled.
func TestFullDiskAndCancel(t *testing.T) {
	p := newProcess(t, keygen(t))
	p.onDiskOf(t, 224*mib)
	p.Env = []string{"GOGC=1"} // files to which nothing refers are closed soon
	p.start()
	location := send(t, http.MethodPost, "http://"+p.HTTP+"/v2/a/blobs/uploads/", nil, http.StatusAccepted)
	resp, text := chunked(t, http.MethodPatch, location, make([]byte, 120*mib))
	requireFull(t, "PATCH", resp, text)
	send(t, http.MethodDelete, location, nil, http.StatusNoContent)
	await(t, "the upload has left the disk", func() bool { return len(p.deletedFiles(t)) == 0 })
	content, path := layer(t, p, 60*mib)
	if got, status, err := body(p, path); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d, %d bytes, %v", status, len(got), err)
	}
}

// deletedFiles are those of uploads that the process still holds; asking has it work a
// little, so that it collects its garbage.
func (p *process) deletedFiles(t *testing.T) (deleted []string) {
	t.Helper()
	request(t, http.MethodGet, "http://"+p.HTTP+"/v2/", nil)
	fds := filepath.Join("/proc", strconv.Itoa(p.PID()), "fd")
	entries, err := os.ReadDir(fds)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		file, _ := os.Readlink(filepath.Join(fds, e.Name()))
		if strings.Contains(file, "/_uploads/") && strings.HasSuffix(file, " (deleted)") {
			deleted = append(deleted, file)
		}
	}
	return deleted
}

// onDiskOf gives a registry a file system of a size for its data: in a namespace
// of its own, which the kernel may refuse to others than root.
func (p *process) onDiskOf(t *testing.T, size int) {
	t.Helper()
	data := p.Data
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	p.Exec = under("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec",
		`mount -t tmpfs -o size="$1" none "$2"; shift 2; exec "$@"`, "sh", strconv.Itoa(size), data)
	if out, err := p.Exec("true").CombinedOutput(); err != nil {
		t.Skipf("no file system of its own, which takes user namespaces: %v %s", err, out)
	}
}
