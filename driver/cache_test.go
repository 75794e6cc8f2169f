package driver_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/smalldisk"
)

// pullAll has registries fetch blobs, and waits until they have them.
func pullAll(t *testing.T, contents [][]byte, all ...*drivertest.Member) {
	t.Helper()
	for _, m := range all {
		for i, content := range contents {
			if got := get(t, m, pathOf(content)); !bytes.Equal(got, content) {
				t.Fatal("other bytes")
			}
			drivertest.Await(t, fmt.Sprintf("blob %d is kept", i), func() bool { return has(m, content) })
		}
	}
}

// evictAll has all that may leave the caches of registries at once.
func evictAll(t *testing.T, all ...*drivertest.Member) {
	var wg sync.WaitGroup
	for _, m := range all {
		wg.Go(func() { m.Evict(t.Context()) })
	}
	wg.Wait()
}

// onDisk counts the files of a blob on the disks of registries, running or not.
func onDisk(t *testing.T, m *drivertest.Member, content []byte, all ...*drivertest.Member) (n int) {
	t.Helper()
	c, _ := m.Blob(pathOf(content))
	for _, o := range all {
		if _, err := os.Stat(filepath.Join(o.Params.DatastorePath, "blobs", c.String())); err == nil {
			n++
		}
	}
	return n
}

// TestOnlyCacheLeaves: where all have everything and all make room at once, again and again, each
// blob stays with its keepers, and nowhere else; also when there is a new registry, which makes
// cache of what others kept.
func TestOnlyCacheLeaves(t *testing.T) {
	t.Parallel()
	all := keepers(t, 3, 2)
	contents := pushKept(t, all[0], 12, 2, all...)
	pullAll(t, contents, all...)
	drivertest.Await(t, "each blob is cache on one registry", func() bool {
		cached := 0
		for _, m := range all {
			cached += m.Status(t.Context()).Cache.Blobs
		}
		return cached == len(contents)
	})
	requireOnlyKept := func(all ...*drivertest.Member) {
		t.Helper()
		drivertest.Await(t, "only keepers have the blobs", func() bool {
			evictAll(t, all...)
			for _, content := range contents {
				if onDisk(t, all[0], content, all...) != 2 {
					return false
				}
			}
			return true
		})
		for i, content := range contents {
			for _, m := range placed(t, content, 2, all...) {
				if !has(m, content) {
					t.Errorf("blob %d left a keeper", i)
				}
			}
		}
	}
	requireOnlyKept(all...)
	for _, m := range all {
		drivertest.Await(t, "nothing is cache", func() bool {
			c := m.Status(t.Context()).Cache
			return c.Blobs == 0 && c.Bytes == 0
		})
	}

	p := drivertest.Parameters(t, all[0].Params.ProtectorKey)
	p.Replicas, p.Capacity, p.RepairDelay, p.Bootstrappers = 2, 1e12, 8*time.Second, all[0].Addresses()
	all = append(all, drivertest.Start(t, p))
	awaitKnown(t, all...)
	requireKept(t, all[0], nil, 2, all...)
	requireOnlyKept(all...)
	pullAll(t, contents, all[3]) // nothing is lost, and what went comes back
}

// TestLastCopiesNeverLeave while registries make room all the time and the only keeper of some
// blobs is away, is replaced, and comes back.
func TestLastCopiesNeverLeave(t *testing.T) {
	t.Parallel()
	all := keepers(t, 4, 1, func(_ int, p *driver.Parameters) { p.RepairDelay = 2 * time.Second })
	contents := pushKept(t, all[0], 12, 1, all...)
	pullAll(t, contents, all...)
	least := func(of []*drivertest.Member) int {
		n := len(all)
		for _, content := range contents {
			n = min(n, onDisk(t, all[0], content, of...))
		}
		return n
	}
	all[3].Stop()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for _, m := range all[:3] {
		wg.Go(func() {
			for ctx.Err() == nil {
				m.Evict(ctx)
			}
		})
	}
	drivertest.Await(t, "only the others' keepers have the blobs", func() bool {
		if least(all[:3]) == 0 {
			t.Fatal("a blob is gone, or only where nobody can be asked")
		}
		return !slices.ContainsFunc(contents, func(content []byte) bool {
			return onDisk(t, all[0], content, all[:3]...) != 1 || !has(placed(t, content, 1, all[:3]...)[0], content)
		})
	})
	all[3].Restart()
	drivertest.Await(t, "what they kept in its place is cache, and leaves", func() bool {
		if least(all) == 0 {
			t.Fatal("a blob is gone")
		}
		return !slices.ContainsFunc(contents, func(content []byte) bool {
			mine := placed(t, content, 1, all...)[0] == all[3]
			return mine != (onDisk(t, all[0], content, all[:3]...) == 0)
		})
	})
	cancel()
	wg.Wait()
	pullAll(t, contents, all...)
}

// TestWhatLeftTheCacheIsNotLost: while its keepers are away a pull is told that, and who they are.
func TestWhatLeftTheCacheIsNotLost(t *testing.T) {
	t.Parallel()
	all := keepers(t, 3, 1, func(i int, p *driver.Parameters) {
		p.Name, p.FetchTimeout, p.RepairDelay = fmt.Sprint("registry-", i), 3*time.Second, time.Hour
	})
	contents := pushKept(t, all[0], 12, 1, all...)
	drivertest.Await(t, "what others keep leaves", func() bool {
		all[0].Evict(t.Context())
		return !slices.ContainsFunc(contents, func(c []byte) bool {
			return has(all[0], c) != (placed(t, c, 1, all...)[0] == all[0])
		})
	})
	keeperOf := map[*drivertest.Member][]byte{}
	for _, c := range contents {
		keeperOf[placed(t, c, 1, all...)[0]] = c
	}
	all[1].Stop()
	drivertest.Await(t, "it is away", func() bool { return others(t, all[0]) == 1 })
	why := func(content []byte) string {
		ctx, refusals := driver.WithRefusals(t.Context())
		_, err := all[0].GetContent(ctx, pathOf(content))
		if r := refusals.Last(); err == nil || r == nil {
			t.Fatalf("%v %v", err, r)
		}
		return refusals.Last().Error()
	}
	if c := keeperOf[all[1]]; c != nil { // all but once in a hundred times
		text := why(c)
		if !strings.Contains(text, "it left the cache here") || strings.Contains(text, "file is gone") ||
			!strings.Contains(text, `to keep it are away: "registry-1"`) || strings.Contains(text, "registry-2") {
			t.Error(text)
		}
	}
	if c := keeperOf[all[0]]; c != nil {
		of, _ := all[0].Blob(pathOf(c))
		must(t, os.Remove(filepath.Join(all[0].Params.DatastorePath, "blobs", of.String())))
		if text := why(c); !strings.Contains(text, "its file is gone") || !strings.Contains(text, `may have it are away: "registry-1"`) {
			t.Error(text)
		}
	}
}

// TestWhatIsReadStays until the slowest client has all of it, and so does what is pinned.
func TestWhatIsReadStays(t *testing.T) {
	t.Parallel()
	all := keepers(t, 2, 1)
	a, b := all[0], all[1]
	var cached [][]byte // at b
	for len(cached) < 3 {
		content := randomBytes(t, 3<<20)
		pushBlob(t, a, content)
		if placed(t, content, 1, all...)[0] == a {
			cached = append(cached, content)
		}
	}
	drivertest.AwaitAgreement(t, all...)
	pullAll(t, cached, b)
	b.Stop()
	b.Restart() // so that it is verified while it is read
	awaitKnown(t, all...)
	pinned, content, other := cached[0], cached[1], cached[2]
	c, _ := b.Blob(pathOf(pinned))
	unpin := b.Pin(c)
	r, err := b.Reader(t.Context(), pathOf(content), 0)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := io.CopyN(&got, r, 1<<20); err != nil {
		t.Fatal(err)
	}
	drivertest.Await(t, "another one leaves", func() bool {
		b.Evict(t.Context())
		return !has(b, other)
	})
	if !has(b, content) || !has(b, pinned) {
		t.Error("it left while it was used")
	}
	if _, err := io.Copy(&got, r); err != nil || !bytes.Equal(got.Bytes(), content) {
		t.Errorf("other bytes, or %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	unpin()
	drivertest.Await(t, "they leave", func() bool {
		b.Evict(t.Context())
		return !has(b, content) && !has(b, pinned)
	})
}

// TestASmallDiskGoesOn: a registry that is pulled more from than its disk holds keeps what was
// pulled last, takes pushes that do not fit beside it, and keeps nobody waiting for long.
func TestASmallDiskGoesOn(t *testing.T) {
	dir := smalldisk.Mount(t, t.TempDir(), "size=216m")
	all := keepers(t, 3, 2, func(i int, p *driver.Parameters) {
		if i == 2 {
			p.Capacity, p.DatastorePath, p.MinFree = 0, dir, driver.Share{Percent: 10}
		}
	})
	small := all[2]
	var contents [][]byte
	for range 20 {
		contents = append(contents, randomBytes(t, 8<<20))
		pushBlob(t, all[0], contents[len(contents)-1])
	}
	requireKept(t, all[0], contents, 2, all...)
	for _, content := range contents {
		pullAll(t, [][]byte{content}, small)
	}
	first := slices.IndexFunc(contents, func(content []byte) bool { return has(small, content) })
	s := small.Status(t.Context())
	if first == 0 || s.Cache.EvictedBytes < 40<<20 || s.Cache.Stuck != "" || s.Transfers.Ended["streamed"] > 0 {
		t.Errorf("the first that is left: %d; %+v, %+v", first, s.Cache, s.Transfers)
	}
	for i, content := range contents { // those in between may be in use when their turn comes
		if first, last := i < 4, i >= len(contents)-4; first && has(small, content) || last && !has(small, content) {
			t.Errorf("blob %d left, or stayed, though others were used less recently, or more", i)
		}
	}
	cached := func() (n int) {
		for _, content := range contents {
			if has(small, content) {
				n++
			}
		}
		return n
	}
	before, pushed := cached(), randomBytes(t, 48<<20) // more than is left free for what comes
	pushBlob(t, small, pushed)
	if now := cached(); !has(small, pushed) || now >= before {
		t.Errorf("a push did not find room in the place of the cache: %d of %d blobs stay", now, before)
	}
	drivertest.Await(t, "a part of the disk is free again", func() bool {
		d := small.Status(t.Context()).Disk
		return d.FreeBytes > d.TotalBytes/10
	})
}

// TestCopiesTakeThePlaceOfCache, and stop where too little of the disk would stay free, while
// clients go on.
func TestCopiesTakeThePlaceOfCache(t *testing.T) {
	dir := smalldisk.Mount(t, t.TempDir(), "size=236m")
	all := keepers(t, 2, driver.Everywhere, func(i int, p *driver.Parameters) {
		if i == 1 {
			p.DatastorePath, p.MinFree = dir, driver.Share{Bytes: 150 << 20}
		}
	})
	var contents [][]byte
	for range 6 {
		contents = append(contents, randomBytes(t, 16<<20))
		pushBlob(t, all[0], contents[len(contents)-1])
	}
	drivertest.Await(t, "no room for copies", func() bool {
		c := all[1].Status(t.Context()).Copies
		return c.Full && c.Pending > 0 && c.Kept > 0
	})
	if s := all[1].Status(t.Context()); s.Disk.FreeBytes < 150<<20 {
		t.Errorf("%+v %+v", s.Disk, s.Copies)
	}
	pullAll(t, contents, all[1])
	if s := all[1].Status(t.Context()); s.Disk.FreeBytes > 150<<20 || s.Transfers.Ended["streamed"] > 0 {
		t.Errorf("%+v %+v", s.Disk, s.Transfers.Ended)
	}
}
