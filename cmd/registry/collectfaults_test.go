package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// TestNothingAcknowledgedGoesWhileRegistriesFail: clients push images and indexes, move tags
// and delete, all registries collect with no grace, and with one too short, and one after the
// other is killed or suspended. In the end all that was acknowledged is whole on each of them;
// and when it has been deleted their disks are empty.
func TestNothingAcknowledgedGoesWhileRegistriesFail(t *testing.T) {
	ps, faults := swarm(t, 3), 10
	if testing.Short() {
		faults = 3
	}
	base, err := random.Image(64<<10, 3)
	if err != nil {
		t.Fatal(err)
	}
	s := &storm{t: t, ps: ps, base: base, stop: make(chan struct{})}
	for i := range ps {
		s.wg.Go(func() { s.client(i) })
		s.wg.Go(func() { s.collector(i) })
	}
	for i := range faults {
		p := ps[rand.IntN(len(ps))]
		if i%2 == 0 {
			p.Kill()
			time.Sleep(time.Second)
			p.start()
		} else if err := p.Signal(syscall.SIGSTOP); err == nil {
			time.Sleep(3 * time.Second)
			_ = p.Signal(syscall.SIGCONT)
		}
		before := s.pushed.Load()
		await(t, "pushes go on", func() bool { return s.pushed.Load() > before+3 })
	}
	await(t, "something is collected", func() bool { return s.collected.Load() > 0 })
	close(s.stop)
	s.wg.Wait()
	awaitAllConnected(t, ps)
	await(t, "the maps are equal", func() bool {
		return ps[0].status().Map.Digest == ps[1].status().Map.Digest && ps[0].status().Map.Digest == ps[2].status().Map.Digest
	})
	t.Logf("%d pushes acknowledged, %d refused, %d deletes, %d entries collected, %d images left", s.pushed.Load(), s.refused.Load(), s.deleted.Load(), s.collected.Load(), len(s.left))
	if s.collected.Load() == 0 || len(s.left) == 0 {
		t.Error("nothing is tested")
	}
	for ref := range s.left {
		for _, p := range ps {
			if err := s.whole(p.HTTP + "/" + ref); err != nil {
				t.Errorf("%s at %s: %v", ref, p.HTTP, err)
			}
		}
	}
	for _, p := range ps {
		repositories, _ := crane.Catalog(p.HTTP, crane.Insecure)
		for _, repository := range repositories {
			tags, _ := crane.ListTags(p.HTTP+"/"+repository, crane.Insecure)
			for _, tag := range tags {
				request(t, http.MethodDelete, "http://"+p.HTTP+"/v2/"+repository+"/manifests/"+tag, nil)
			}
		}
	}
	await(t, "all disk comes back", func() bool {
		empty := true
		for _, p := range ps {
			if _, err := p.collect("--grace", "0s", "--delete-untagged"); err != nil {
				t.Error(err)
			}
			st := p.status()
			empty = empty && st.Map.Entries == 0 && st.Blobs.Here == 0
		}
		return empty
	})
}

// storm is what goes on meanwhile.
type storm struct {
	t    *testing.T
	ps   []*process
	base v1.Image
	stop chan struct{}
	wg   sync.WaitGroup

	pushed, refused, deleted, collected atomic.Int64

	mu   sync.Mutex
	left map[string]bool // tags that were acknowledged, and not deleted since
}

func (s *storm) over() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

func (s *storm) collector(i int) {
	for round := 0; !s.over(); round++ {
		args := []string{"--grace", []string{"0s", "100ms"}[round%2]}
		if round%3 == 0 {
			args = append(args, "--delete-untagged")
		}
		c, _ := s.ps[i].collect(args...) // it may be down
		s.collected.Add(int64(c.Deleted.Blobs))
		time.Sleep(50 * time.Millisecond)
	}
}

// client pushes to any of the registries, into a repository of its own.
func (s *storm) client(i int) {
	for round := 0; !s.over(); round++ {
		ref := fmt.Sprintf("r%d:%d", i, round%5)
		host := s.ps[(i+round)%len(s.ps)].HTTP
		s.note(ref, false) // what it was is not known while it is pushed
		if err := s.push(host+"/"+ref, round); err != nil {
			s.refused.Add(1)
			continue
		}
		s.pushed.Add(1)
		if round%4 != 3 {
			s.note(ref, true)
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if crane.Delete(host+"/"+ref, crane.Insecure, crane.WithContext(ctx)) == nil {
			s.deleted.Add(1)
		}
		cancel()
	}
}

func (s *storm) note(ref string, left bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == nil {
		s.left = map[string]bool{}
	}
	if delete(s.left, ref); left {
		s.left[ref] = true
	}
}

func (s *storm) push(ref string, round int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	img := on(s.t, s.base, 16<<10)
	if round%3 != 0 {
		return crane.Push(img, ref, crane.Insecure, crane.WithContext(ctx))
	}
	at, err := name.ParseReference(ref, name.Insecure)
	if err != nil {
		return err
	}
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img}, mutate.IndexAddendum{Add: s.base})
	return remote.WriteIndex(at, index, remote.WithContext(ctx))
}

// whole reads all of an image, or of those of an index, and verifies it.
func (s *storm) whole(ref string) error {
	at, err := name.ParseReference(ref, name.Insecure)
	if err != nil {
		return err
	}
	got, err := remote.Get(at)
	if err != nil {
		return err
	}
	if !strings.Contains(string(got.MediaType), "index") {
		img, err := got.Image()
		if err != nil {
			return err
		}
		return validate.Image(img)
	}
	index, err := got.ImageIndex()
	if err != nil {
		return err
	}
	return validate.Index(index)
}
