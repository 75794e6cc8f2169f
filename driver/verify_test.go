package driver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

func silent(driver.VerifyProgress) {}

func offline(t *testing.T) *drivertest.Member {
	t.Helper()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.Offline = true
	return drivertest.Start(t, p)
}

// TestVerifyAnIndex follows it to all of its images, and tells of what is missing where
// no other registry can have it.
func TestVerifyAnIndex(t *testing.T) {
	t.Parallel()
	a := offline(t)
	host := served(t, a)
	index, err := random.Index(3000, 2, 2)
	must(t, err)
	ref, err := name.ParseReference(host+"/some/where:1", name.Insecure)
	must(t, err)
	must(t, remote.WriteIndex(ref, index))
	d, err := index.Digest()
	must(t, err)
	const blobs = 1 + 2*(1+1+2) // index, and of each image its manifest, config and layers
	for _, image := range []string{"some/where:1", "some/where@" + d.String()} {
		v, err := a.Verify(t.Context(), image, silent)
		must(t, err)
		if v.Blobs != blobs || len(v.Findings) > 0 {
			t.Errorf("%s: %+v", image, v)
		}
	}
	manifest, err := index.IndexManifest()
	must(t, err)
	img, err := index.Image(manifest.Manifests[1].Digest)
	must(t, err)
	layers, err := img.Layers()
	must(t, err)
	gone, err := layers[0].Digest()
	must(t, err)
	flipBit(t, fileOf(t, a, blobPath(digest.Digest(gone.String()))), 7, true)
	lost, err := layers[1].Digest()
	must(t, err)
	must(t, os.Remove(fileOf(t, a, blobPath(digest.Digest(lost.String())))))
	for range 2 {
		v, err := a.Verify(t.Context(), "some/where:1", silent)
		must(t, err)
		if v.Unmended() != 2 || len(v.Findings) != 2 || v.Findings[0].Digest != gone.String() || v.Findings[1].Digest != lost.String() {
			t.Errorf("one layer is damaged, one lost: %+v", v)
		}
	}
	for _, image := range []string{"some/where:2", "some/where@" + digest.FromString("x").String(), "where", ":", "a@b"} {
		if _, err := a.Verify(t.Context(), image, silent); err == nil || !strings.Contains(err.Error(), image) {
			t.Errorf("%s: %v", image, err)
		}
	}
}

// TestVerifyDeletesDamagedGarbage: no member would have it, because no entry names it.
func TestVerifyDeletesDamagedGarbage(t *testing.T) {
	t.Parallel()
	a := offline(t)
	path := pushBlob(t, a, randomBytes(t, 2000))
	file := fileOf(t, a, path)
	must(t, a.Delete(t.Context(), path))
	flipBit(t, file, 3, true)
	v, err := a.Verify(t.Context(), "", silent)
	must(t, err)
	if len(v.Findings) != 1 || v.Unmended() != 0 || len(damaged(a)) > 0 {
		t.Errorf("it is %+v", v)
	}
	if s := a.Status(t.Context()); s.Blobs.Here != 0 {
		t.Errorf("%d blobs are here", s.Blobs.Here)
	}
}

// TestVerifyOverTheSocket ends with the client that asked, and one runs at a time.
func TestVerifyOverTheSocket(t *testing.T) {
	t.Parallel()
	a := offline(t)
	for range 3 {
		pushBlob(t, a, randomBytes(t, 24*leafSize))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := driver.NewClient(a.Params).Verify(ctx, "", silent); !errors.Is(err, context.Canceled) {
		t.Errorf("one that nobody waits for: %v", err)
	}
	drivertest.Await(t, "it ended there as well", func() bool {
		v, err := driver.NewClient(a.Params).Verify(t.Context(), "", silent)
		return err == nil && v.Blobs == 3 && v.Bytes == 3*24*leafSize
	})
	drivertest.Await(t, "one runs, and others are refused", func() bool { // the last may just be ending
		var asked sync.WaitGroup
		var busy, done atomic.Int64
		for range 8 {
			asked.Go(func() {
				switch _, err := driver.NewClient(a.Params).Verify(t.Context(), "", silent); {
				case err == nil:
					done.Add(1)
				case errors.Is(err, driver.ErrBusy):
					busy.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		asked.Wait()
		return busy.Load() > 0 && done.Load() > 0
	})
	if _, err := driver.VerifyStopped(t.Context(), a.Params, "", silent); err == nil {
		t.Error("a running registry was read as a stopped one")
	}
	a.Stop()
	if _, err := driver.NewClient(a.Params).Verify(t.Context(), "", silent); !errors.Is(err, driver.ErrNotRunning) {
		t.Errorf("a stopped registry: %v", err)
	}
	v, err := driver.VerifyStopped(t.Context(), a.Params, "", silent)
	must(t, err)
	if v.Running || v.Blobs != 3 {
		t.Errorf("it is %+v", v)
	}
}

// TestCollectionSparesAPush deletes what no entry names, again and again, while the same
// blobs are pushed and their entries are deleted: nothing is deleted between the bytes of a
// push and its entry.
func TestCollectionSparesAPush(t *testing.T) {
	t.Parallel()
	a := offline(t)
	var contents [][]byte
	for i, size := range []int{1000, 2*leafSize + 1} {
		contents = append(contents, randomBytes(t, size))
		pushBlob(t, a, contents[i])
	}
	ctx, stop := context.WithCancel(t.Context())
	var collector sync.WaitGroup
	var collected atomic.Int64
	for _, content := range contents {
		c, err := a.CIDOf(blobPath(digest.FromBytes(content)))
		must(t, err)
		collector.Go(func() {
			for ctx.Err() == nil {
				went, err := a.DeleteUnused(c)
				if err != nil {
					t.Error(err)
					return
				}
				if went {
					collected.Add(1)
				}
				time.Sleep(time.Millisecond) // pushes wait for its lock, too
			}
		})
	}
	for round := 0; round < 12 || collected.Load() == 0; round++ {
		for i, content := range contents {
			path := blobPath(digest.FromBytes(content))
			push := func() {
				if i == 0 {
					must(t, a.PutContent(t.Context(), path, content))
				} else {
					pushBlob(t, a, content)
				}
			}
			push()
			if got, err := readFrom(a, path, 0); err != nil || !bytes.Equal(got, content) {
				t.Fatalf("round %d: a blob that was just pushed: %v", round, err)
			}
			must(t, a.Delete(t.Context(), path))
		}
	}
	stop()
	collector.Wait()
}

// TestVerifyMendsAnImage from another member, over the socket as the command does.
func TestVerifyMendsAnImage(t *testing.T) {
	t.Parallel()
	members := drivertest.Cluster(t, 2)
	a, b := members[0], members[1]
	img, _ := image(t)
	must(t, crane.Push(img, served(t, a)+"/a:1", crane.Insecure))
	drivertest.AwaitAgreement(t, members...)
	got, err := crane.Pull(served(t, b)+"/a:1", crane.Insecure)
	must(t, err)
	layers, err := got.Layers()
	must(t, err)
	for _, l := range layers {
		d, err := l.Digest()
		must(t, err)
		r, err := l.Compressed() // reads it all, from b
		must(t, err)
		var content bytes.Buffer
		_, err = content.ReadFrom(r)
		must(t, errors.Join(err, r.Close()))
		drivertest.Await(t, "b has it", func() bool { return has(b, content.Bytes()) })
		flipBit(t, fileOf(t, a, blobPath(digest.Digest(d.String()))), 9, true)
	}
	v, err := driver.NewClient(a.Params).Verify(t.Context(), "a:1", silent)
	must(t, err)
	if len(v.Findings) != len(layers) || v.Unmended() != 0 {
		t.Errorf("it is %+v", v)
	}
	for _, f := range v.Findings {
		if want := fmt.Sprintf("%d of %d leaves", f.BadLeaves, f.Leaves); f.BadLeaves != 1 || !strings.Contains(f.Done, want) {
			t.Errorf("it is %+v", f)
		}
	}
}
