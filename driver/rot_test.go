package driver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/smalldisk"
)

// fileOf is where a member keeps the bytes of a path.
func fileOf(t *testing.T, m *drivertest.Member, path string) string {
	t.Helper()
	c, err := m.CIDOf(path)
	must(t, err)
	return filepath.Join(m.Params.DatastorePath, "blobs", c.String())
}

// flipBit changes one bit of a file; if silently, it leaves the file's times as they were, as
// a failing disk does.
func flipBit(t *testing.T, file string, offset int64, silently bool) {
	t.Helper()
	info, err := os.Stat(file)
	must(t, err)
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	must(t, err)
	b := make([]byte, 1)
	_, err = f.ReadAt(b, offset)
	must(t, err)
	b[0] ^= 0x10
	_, err = f.WriteAt(b, offset)
	must(t, errors.Join(err, f.Close()))
	if silently {
		must(t, os.Chtimes(file, time.Time{}, info.ModTime()))
	}
}

func damaged(m *drivertest.Member) []string {
	return m.Status(context.Background()).Blobs.Damaged
}

// exists is HEAD of a blob as distribution asks for it.
func exists(t *testing.T, m *drivertest.Member, path string) bool {
	t.Helper()
	_, err := m.Stat(asRequest(t, http.MethodHead, "vars.digest"), path)
	var missing storagedriver.PathNotFoundError
	if err != nil && !errors.As(err, &missing) {
		t.Fatal(err)
	}
	return err == nil
}

func readFrom(m *drivertest.Member, path string, offset int64) ([]byte, error) {
	r, err := m.Reader(context.Background(), path, offset)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(r)
	return content, errors.Join(err, r.Close())
}

func requireRead(t *testing.T, m *drivertest.Member, path string, content []byte) {
	t.Helper()
	for _, offset := range []int{len(content) - 1, len(content) / 2, 0} {
		got, err := readFrom(m, path, int64(offset))
		if err != nil || !bytes.Equal(got, content[offset:]) {
			t.Errorf("from %d on it has %d bytes, and %v", offset, len(got), err)
		}
	}
}

// requireGone checks what clients see of a blob of which no registry has all bytes.
func requireGone(t *testing.T, m *drivertest.Member, path string) {
	t.Helper()
	if exists(t, m, path) {
		t.Error("HEAD finds it")
	}
	c, err := m.CIDOf(path)
	must(t, err)
	if _, err := readFrom(m, path, 0); err == nil || !strings.Contains(err.Error(), c.String()) {
		t.Errorf("reading it is %v", err)
	}
	if got := damaged(m); len(got) != 1 || got[0] != c.String() {
		t.Errorf("status names %v", got)
	}
}

// TestOthersMend what is wrong with one registry's file, when a client reads it there.
func TestOthersMend(t *testing.T) {
	t.Parallel()
	const size, flipped = 5*leafSize + 3, 3*leafSize + 17
	harms := map[string]func(t *testing.T, file string){
		"flipped":          func(t *testing.T, file string) { flipBit(t, file, flipped, false) },
		"flipped silently": func(t *testing.T, file string) { flipBit(t, file, flipped, true) },
		"shorter":          func(t *testing.T, file string) { must(t, os.Truncate(file, flipped)) },
		"longer":           func(t *testing.T, file string) { must(t, os.Truncate(file, size+1)) },
		"gone":             func(t *testing.T, file string) { must(t, os.Remove(file)) },
	}
	for name, harm := range harms {
		for _, restart := range []bool{false, true} {
			if name == "flipped silently" && !restart {
				continue // this run wrote it: it trusts what it wrote
			}
			t.Run(fmt.Sprintf("%s, restart %t", name, restart), func(t *testing.T) {
				t.Parallel()
				members := drivertest.Cluster(t, 3)
				a, b := members[0], members[1]
				content := randomBytes(t, size)
				path := pushBlob(t, a, content)
				requireSame(t, get(t, b, path), content)
				drivertest.Await(t, "b keeps it", func() bool { return has(b, content) })
				file := fileOf(t, a, path)
				if restart {
					a.Stop()
				}
				harm(t, file)
				if restart {
					a.Restart()
					drivertest.AwaitMesh(t, members...)
				}
				requireRead(t, a, path, content)
				drivertest.Await(t, "it is mended", func() bool { return has(a, content) })
				if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, content) {
					t.Errorf("the file is not what it was: %v", err)
				}
				if len(damaged(a)) > 0 {
					t.Error("it counts as damaged")
				}
			})
		}
	}
}

func requireSame(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatal("other bytes")
	}
}

// TestAHolderHearsThatItsCopyIsDamaged from the member that fetches it. No other registry
// has the blob: reading it is an error on all of them, until it is pushed again to any.
func TestAHolderHearsThatItsCopyIsDamaged(t *testing.T) {
	t.Parallel()
	members := drivertest.Cluster(t, 3)
	a, b, c := members[0], members[1], members[2]
	content := randomBytes(t, 4*leafSize+3)
	path := pushBlob(t, a, content)
	drivertest.AwaitAgreement(t, members...)
	flipBit(t, fileOf(t, a, path), 2*leafSize, true)
	if got, err := readFrom(b, path, 0); err == nil {
		t.Fatalf("%d bytes of a damaged blob were read", len(got))
	}
	drivertest.Await(t, "the holder hears of it", func() bool { return len(damaged(a)) == 1 })
	requireGone(t, a, path)
	if exists(t, b, path) {
		t.Error("HEAD finds it elsewhere")
	}
	a.Stop()
	a.Restart()
	drivertest.AwaitMesh(t, members...)
	requireGone(t, a, path)
	pushBlob(t, c, content)
	for _, m := range members {
		requireRead(t, m, path, content)
	}
	drivertest.Await(t, "it is mended", func() bool { return len(damaged(a)) == 0 })
}

// TestAPushMends a file on the only registry, also where it does not know yet.
func TestAPushMends(t *testing.T) {
	t.Parallel()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.Offline = true
	a := drivertest.Start(t, p)
	for _, size := range []int{2000, 2*leafSize + 1} {
		for name, harm := range map[string]func(file string){
			"flipped": func(file string) { flipBit(t, file, int64(size)-1, false) },
			"shorter": func(file string) { must(t, os.Truncate(file, int64(size)-1)) },
			"gone":    func(file string) { must(t, os.Remove(file)) },
		} {
			for _, read := range []bool{false, true} {
				content := randomBytes(t, size)
				path := pushBlob(t, a, content)
				harm(fileOf(t, a, path))
				if read {
					if _, err := readFrom(a, path, 0); err == nil {
						t.Errorf("%s: it is read", name)
					}
				}
				if (read || name != "flipped") && exists(t, a, path) {
					t.Errorf("%s: HEAD finds it", name)
				}
				_, err := a.Stat(asRequest(t, http.MethodPut, "vars.uuid"), path)
				if err == nil {
					t.Errorf("%s: an upload would be thrown away", name)
				}
				pushBlob(t, a, content)
				requireRead(t, a, path, content)
				if _, err := a.Stat(asRequest(t, http.MethodPut, "vars.uuid"), path); err != nil {
					t.Errorf("%s: an upload of what was just verified is stored again: %v", name, err)
				}
			}
		}
		manifest := randomBytes(t, size)
		path := blobPath(digest.FromBytes(manifest))
		must(t, a.PutContent(t.Context(), path, manifest))
		flipBit(t, fileOf(t, a, path), 5, false)
		must(t, a.PutContent(t.Context(), path, manifest))
		requireRead(t, a, path, manifest)
	}
	if len(damaged(a)) > 0 {
		t.Errorf("damaged is %v", damaged(a))
	}
}

// TestAPushOfAManifestMends its file, which rotted before this run.
func TestAPushOfAManifestMends(t *testing.T) {
	t.Parallel()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.Offline = true
	m := drivertest.Start(t, p)
	index := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
	const kind = "application/vnd.oci.image.index.v1+json"
	push := func() {
		send(t, http.StatusCreated, http.MethodPut, "http://"+served(t, m)+"/v2/a/manifests/1", kind, index)
	}
	push()
	file := fileOf(t, m, blobPath(digest.FromBytes(index)))
	m.Stop()
	flipBit(t, file, 5, true)
	m.Restart()
	push()
	mustAsk(t, http.StatusOK, http.MethodGet, served(t, m), "/v2/a/manifests/1")
}

// TestManyReadADamagedBlob at once, and each gets all of it.
func TestManyReadADamagedBlob(t *testing.T) {
	t.Parallel()
	members := drivertest.Cluster(t, 2)
	a, b := members[0], members[1]
	content := randomBytes(t, 12*leafSize+3)
	path := pushBlob(t, a, content)
	requireSame(t, get(t, b, path), content)
	drivertest.Await(t, "b keeps it", func() bool { return has(b, content) })
	for _, leaf := range []int64{2, 7, 11} {
		flipBit(t, fileOf(t, a, path), leaf*leafSize+1, false)
	}
	var readers sync.WaitGroup
	for i := range 8 {
		readers.Go(func() {
			offset := int64(i) * leafSize
			got, err := readFrom(a, path, offset)
			if err != nil || !bytes.Equal(got, content[offset:]) {
				t.Errorf("reader %d got %d bytes, and %v", i, len(got), err)
			}
		})
	}
	readers.Wait()
	drivertest.Await(t, "it is mended", func() bool { return len(damaged(a)) == 0 })
}

// TestHEADOfADamagedManifest that no member has is 503, as GET is.
func TestHEADOfADamagedManifest(t *testing.T) {
	t.Parallel()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.SyncTimeout = 300 * time.Millisecond
	m := drivertest.Start(t, p)
	content := []byte(`{"schemaVersion":2,"layers":[]}`)
	path := blobPath(digest.FromBytes(content))
	must(t, m.PutContent(t.Context(), path, content))
	file := fileOf(t, m, path)
	m.Stop()
	flipBit(t, file, 3, true)
	m.Restart()
	for range 2 { // the first finds that it is damaged
		if _, err := m.Stat(asRequest(t, http.MethodHead, "vars.reference"), path); !isRefusal(err) {
			t.Error(err)
		}
	}
}

// TestRotOnAFullDisk: what cannot be set aside is not read, members' bytes are passed on,
// and what is damaged is mended when there is room.
func TestRotOnAFullDisk(t *testing.T) {
	t.Parallel()
	key := drivertest.Key(t)
	p := drivertest.Parameters(t, key)
	p.FetchTimeout = 10 * time.Second
	p.Replicas = 2 // so that nothing leaves the full disk because the other has it
	smalldisk.Mount(t, p.DatastorePath, "size=256m")
	a := drivertest.Start(t, p)
	q := drivertest.Parameters(t, key)
	q.Replicas = p.Replicas
	q.Bootstrappers = a.Addresses()
	b := drivertest.Start(t, q)
	drivertest.AwaitMesh(t, a, b)
	contents := map[string][]byte{}
	for _, size := range []int{700, 3*leafSize + 5, 2*leafSize + 1} {
		content := randomBytes(t, size)
		path := pushBlob(t, a, content)
		contents[path] = content
		requireSame(t, get(t, b, path), content)
	}
	for _, content := range contents {
		drivertest.Await(t, "b keeps it", func() bool { return has(b, content) })
	}
	free := smalldisk.Fill(t, p.DatastorePath, 0)
	for path, content := range contents {
		flipBit(t, fileOf(t, a, path), int64(len(content)/2), false)
		requireRead(t, a, path, content)
		if _, err := a.Stat(asRequest(t, http.MethodHead, "vars.reference"), path); err != nil {
			t.Errorf("HEAD: %v", err)
		}
	}
	b.Stop()
	for path := range contents {
		if got, err := readFrom(a, path, 0); !isRefusal(err) {
			t.Errorf("nobody has it: %d bytes, %v", len(got), err)
		}
	}
	free()
	b.Restart()
	drivertest.AwaitMesh(t, a, b)
	drivertest.Await(t, "all is mended", func() bool { return len(damaged(a)) == 0 })
	for path, content := range contents {
		if got, err := os.ReadFile(fileOf(t, a, path)); err != nil || !bytes.Equal(got, content) {
			t.Errorf("the file is not what it was: %v", err)
		}
	}
}

// TestADamagedBlobThatIsPinned cannot be set aside, because a push relies on it. It is
// passed on from members; when none has it, or too many read it, that is 503.
func TestADamagedBlobThatIsPinned(t *testing.T) {
	t.Parallel()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.FetchTimeout = 10 * time.Second
	a := drivertest.Start(t, p)
	q := drivertest.Parameters(t, p.ProtectorKey)
	q.Bootstrappers = a.Addresses()
	b := drivertest.Start(t, q)
	drivertest.AwaitMesh(t, a, b)
	content := randomBytes(t, 5*leafSize)
	path := pushBlob(t, a, content)
	requireSame(t, get(t, b, path), content)
	drivertest.Await(t, "b keeps it", func() bool { return has(b, content) })
	c, err := a.CIDOf(path)
	must(t, err)
	unpin := a.Pin(c)
	flipBit(t, fileOf(t, a, path), 5, false)
	requireRead(t, a, path, content)
	var readers []io.Closer
	for err == nil {
		var r io.ReadCloser
		if r, err = a.Reader(t.Context(), path, 0); err == nil {
			readers = append(readers, r)
		}
		if len(readers) > 1000 {
			t.Fatal("there is no end of streams")
		}
	}
	if !isRefusal(err) {
		t.Errorf("too many readers: %v", err)
	}
	for _, r := range readers {
		must(t, r.Close())
	}
	b.Stop()
	if got, err := readFrom(a, path, 0); !isRefusal(err) {
		t.Errorf("nobody has it: %d bytes, %v", len(got), err)
	}
	unpin()
	b.Restart()
	drivertest.AwaitMesh(t, a, b)
	requireRead(t, a, path, content)
	drivertest.Await(t, "it is mended", func() bool { return has(a, content) && len(damaged(a)) == 0 })
}

// TestASmallBlobIsMendedInOneRequest: a manifest, or a blob of one leaf, that is damaged here
// and right elsewhere is served by the same request, and mended.
func TestASmallBlobIsMendedInOneRequest(t *testing.T) {
	t.Parallel()
	members := drivertest.Cluster(t, 2)
	a, b := members[0], members[1]
	const kind = "application/vnd.oci.image.index.v1+json"
	host := served(t, a)
	for i, want := range []string{"GET manifests", "HEAD manifests", "GET blobs"} {
		content := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[],"annotations":{"n":"%d"}}`, kind, i)
		d := digest.FromBytes(content)
		method, what, _ := strings.Cut(want, " ")
		if what == "blobs" {
			uploadTo(t, host, "a", content)
		} else {
			send(t, http.StatusCreated, http.MethodPut, "http://"+host+"/v2/a/manifests/"+d.String(), kind, content)
		}
		path := blobPath(d)
		requireSame(t, get(t, b, path), content)
		drivertest.Await(t, "b keeps it", func() bool { return has(b, content) })
		file := fileOf(t, a, path)
		flipBit(t, file, int64(len(content)/2), false)
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+host+"/v2/a/"+what+"/"+d.String(), nil)
		must(t, err)
		req.Header.Set("Accept", kind)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		got, err := io.ReadAll(resp.Body)
		must(t, errors.Join(err, resp.Body.Close()))
		if resp.StatusCode != http.StatusOK || method == http.MethodGet && !bytes.Equal(got, content) {
			t.Errorf("%s: %s, %d bytes", want, resp.Status, len(got))
		}
		drivertest.Await(t, "its file is mended", func() bool {
			now, err := os.ReadFile(file)
			return err == nil && bytes.Equal(now, content)
		})
	}
}
