package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// collect runs garbage-collect.
func (p *process) collect(args ...string) (c driver.Collection, err error) {
	out, err := p.command(append([]string{"garbage-collect", "--json"}, args...)...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return c, fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	if err == nil {
		err = json.Unmarshal(out, &c)
	}
	return c, err
}

func mustCollect(t *testing.T, p *process, args ...string) driver.Collection {
	t.Helper()
	c, err := p.collect(args...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// on is an image with further layers.
func on(t testing.TB, base v1.Image, layers ...int64) v1.Image {
	t.Helper()
	for _, size := range layers {
		layer, err := random.Layer(size, types.DockerLayer)
		if err == nil {
			base, err = mutate.AppendLayers(base, layer)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return base
}

func deleteImage(t *testing.T, p *process, repository string, img v1.Image) {
	t.Helper()
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	send(t, http.MethodDelete, "http://"+p.HTTP+"/v2/"+repository+"/manifests/"+digest.String(), nil, http.StatusAccepted)
}

// TestADeletedImageGivesItsDiskBack on each registry, and nothing of the others goes.
func TestADeletedImageGivesItsDiskBack(t *testing.T) {
	ps := swarm(t, 3)
	base := push(t, ps[0], "a:base")
	gone := on(t, base, 5<<20)
	if err := crane.Push(gone, ps[1].HTTP+"/a:gone", crane.Insecure); err != nil {
		t.Fatal(err)
	}
	for _, p := range ps {
		pull(t, p, "a:gone", gone)
	}
	before := ps[0].status().Blobs
	deleteImage(t, ps[2], "a", gone)
	await(t, "the delete arrives", func() bool { return ps[0].status().Map.Digest == ps[2].status().Map.Digest })

	dry := mustCollect(t, ps[0], "--dry-run", "--grace", "0s")
	if g := dry.Garbage; g.Manifests != 0 || g.Layers != 2 || g.Blobs != 3 || dry.Deleted.Blobs != 0 {
		t.Errorf("a dry run: %+v", dry) // the manifest's bytes, its config and its own layer
	}
	c := mustCollect(t, ps[0], "--grace", "1s")
	if c.Deleted.Blobs != 3 || c.Deleted.Layers != 2 || c.Left != 0 || len(c.WaitsFor) > 0 || c.Removed.Blobs != 3 || c.Removed.Bytes < 5<<20 {
		t.Errorf("collected: %+v", c)
	}
	for _, p := range ps[1:] {
		await(t, "the deletes arrive", func() bool { return p.status().Map.Digest == ps[0].status().Map.Digest })
		if c := mustCollect(t, p, "--grace", "0s"); c.Removed.Blobs != 3 || c.Deleted.Blobs != 0 {
			t.Errorf("collected elsewhere: %+v", c)
		}
	}
	for _, p := range ps {
		if now := p.status().Blobs; now.Here != before.Here-3 || now.Missing != 0 {
			t.Errorf("%+v, before %+v", now, before)
		}
		pull(t, p, "a:base", base)
	}
	if err := crane.Push(gone, ps[2].HTTP+"/a:back", crane.Insecure); err != nil {
		t.Fatal(err)
	}
	for _, p := range ps {
		pull(t, p, "a:back", gone)
	}
}

// TestAMemberThatIsAwayHoldsCollectionUp until it is back, or forgotten.
func TestAMemberThatIsAwayHoldsCollectionUp(t *testing.T) {
	ps := swarm(t, 3)
	img := push(t, ps[0], "a:1")
	await(t, "all have it", func() bool { return ps[2].status().Map.Digest == ps[0].status().Map.Digest })
	deleteImage(t, ps[0], "a", img)
	away := ps[2].status().PeerID
	ps[2].Kill()
	await(t, "it is away", func() bool { return connectedTo(ps[0]) == 1 && connectedTo(ps[1]) == 1 })
	c := mustCollect(t, ps[0], "--grace", "0s")
	if len(c.WaitsFor) != 1 || c.WaitsFor[0].PeerID != away || !strings.HasPrefix(c.WaitsFor[0].Reason, "away since ") || c.Deleted.Blobs != 0 || c.Garbage.Blobs == 0 {
		t.Errorf("with a member away: %+v", c)
	}
	out, err := ps[0].command("garbage-collect", "--grace", "5s").CombinedOutput()
	if err != nil || strings.Count(string(out), away) != 1 || strings.Contains(string(out), "the rest may go in") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := ps[0].forgetMember(away); err != nil {
		t.Fatal(out)
	}
	if c := mustCollect(t, ps[0], "--grace", "0s"); len(c.WaitsFor) != 0 || c.Deleted.Blobs != c.Garbage.Blobs || c.Removed.Blobs == 0 {
		t.Errorf("with a member forgotten: %+v", c)
	}
	await(t, "another registry forgets it, too", func() bool {
		c := mustCollect(t, ps[1], "--grace", "0s")
		return len(c.WaitsFor) == 0 && c.Left == 0
	})
}

// TestAWriterThatWasNeverMetIsWaitedFor until it is forgotten: its clients may rely on what
// this registry takes for garbage.
func TestAWriterThatWasNeverMetIsWaitedFor(t *testing.T) {
	key := keygen(t)
	a := newProcess(t, key)
	b := newProcess(t, key, a.bootstrap())
	c := newProcess(t, key, b.bootstrap())
	a.start()
	b.start()
	awaitAllConnected(t, []*process{a, b})
	img := push(t, a, "a:1")
	await(t, "the push arrives", func() bool { return b.status().Map.Digest == a.status().Map.Digest })
	writer := a.status().PeerID
	a.Kill()
	await(t, "it is away", func() bool { return connectedTo(b) == 0 })
	c.start()
	awaitAllConnected(t, []*process{b, c})
	await(t, "it has joined", func() bool { return c.status().Map.Digest == b.status().Map.Digest })
	deleteImage(t, c, "a", img)
	if got := mustCollect(t, c, "--grace", "0s"); len(got.WaitsFor) != 1 || got.WaitsFor[0].PeerID != writer || got.Deleted.Blobs != 0 {
		t.Errorf("collected: %+v", got)
	}
	if out, err := c.forgetMember(writer); err != nil || !strings.Contains(out, writer) {
		t.Fatal(out)
	}
	if got := mustCollect(t, c, "--grace", "0s"); len(got.WaitsFor) != 0 || got.Deleted.Blobs == 0 {
		t.Errorf("once it is forgotten: %+v", got)
	}
}

func connectedTo(p *process) (n int) {
	for _, m := range p.status().Members {
		if m.Connected {
			n++
		}
	}
	return n
}

// TestPushesGoOnWhileGarbageIsCollected at once, by all registries: an image whose push was
// acknowledged is whole. Each is built on a base that is garbage most of the time.
func TestPushesGoOnWhileGarbageIsCollected(t *testing.T) {
	ps := swarm(t, 3)
	base, err := random.Image(64<<10, 3)
	if err != nil {
		t.Fatal(err)
	}
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	stop := make(chan struct{})
	var collectors, pushers sync.WaitGroup
	collected := make([]int, len(ps))
	for i, p := range ps {
		collectors.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := p.collect("--grace", "0s")
				if err != nil {
					t.Errorf("collect: %v", err)
				}
				collected[i] += c.Deleted.Blobs
			}
		})
	}
	for i, p := range ps {
		pushers.Go(func() {
			for round := range rounds {
				img := on(t, base, 32<<10)
				name := fmt.Sprintf("/r%d:%d", i, round)
				if err := crane.Push(img, p.HTTP+name, crane.Insecure); err != nil {
					if !strings.Contains(err.Error(), "MANIFEST_BLOB_UNKNOWN") {
						t.Errorf("push: %v", err)
					}
					continue // a grace of 0 gives no time between layers and manifest
				}
				for _, q := range ps {
					await(t, "the image is whole", func() bool { return whole(q.HTTP+name, img) })
				}
				deleteImage(t, p, fmt.Sprintf("r%d", i), img)
			}
		})
	}
	pushers.Wait()
	close(stop)
	collectors.Wait()
	if collected[0]+collected[1]+collected[2] == 0 {
		t.Error("nothing was collected: the test tests nothing")
	}
}

// whole reports whether an image can be pulled with all its layers.
func whole(ref string, want v1.Image) bool {
	img, err := crane.Pull(ref, crane.Insecure)
	if err != nil {
		return false
	}
	layers, err := img.Layers()
	for _, l := range layers {
		r, rerr := l.Compressed()
		if rerr != nil {
			return false
		}
		if cerr := r.Close(); cerr != nil {
			return false
		}
	}
	return err == nil
}
