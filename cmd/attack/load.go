package main

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	patience = 30 * time.Second // of a client with one push or pull
	small    = 16 << 10         // bytes of a layer, at most
	large    = 5 << 20
	largeOf  = 20 // one of so many images is large
	parts    = 3  // of a pull: manifest, config, layer
)

// image is one that was pushed and acknowledged.
type image struct {
	repo, tag, digest string
	blobs             []string // digests
	large             bool
	at                int // the registry it was pushed to
}

// load is the clients, and what became of what they did in one phase.
type load struct {
	swarm *swarm

	mu     sync.Mutex
	serial int
	images []image // of all phases
	phase  phase
}

// phase is what clients have seen in some time.
type phase struct {
	pushed, failed  int                    // pushes
	small           []time.Duration        // pulls that were served; others count as patience
	parts           [parts][]time.Duration // of small pulls that were served: what each answer took
	large, unserved int                    // large pulls that were served, and pulls that were not
	denied          []string               // answers of 404
	poisoned        map[int]int            // answers for entries of absurd size, by status; 0: none
	why             []string               // some of the failures
	since           time.Time
	took            time.Duration
	worked          struct{ registries, clients time.Duration } // processor time
}

func (l *load) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.phase = phase{since: time.Now(), poisoned: map[int]int{}}
}

// run has clients push and pull until ctx ends, and returns what they saw.
func (l *load) run(ctx context.Context, clients int) phase {
	l.begin()
	ofThem, ofUs := l.swarm.worked(), worked()
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				l.act(ctx)
			}
		})
	}
	wg.Go(func() { l.poison(ctx) })
	wg.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.phase.took = time.Since(l.phase.since)
	l.phase.worked.registries, l.phase.worked.clients = l.swarm.worked()-ofThem, worked()-ofUs
	return l.phase
}

// act pushes an image to one registry and pulls one from another.
func (l *load) act(ctx context.Context) {
	all := l.swarm.members()
	at := mathrand.IntN(len(all))
	i, err := l.push(ctx, at)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		l.note(func(p *phase) { p.failed++; p.because(fmt.Errorf("push to %s: %w", all[at].Name, err)) })
		i = l.some()
	}
	if i.tag != "" {
		l.pull(ctx, (i.at+1+mathrand.IntN(len(all)-1))%len(all), i)
	}
}

// count is how many images were pushed and acknowledged by now.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.images)
}

func (l *load) note(f func(*phase)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.phase)
}

func (p *phase) because(err error) {
	if len(p.why) < 20 {
		p.why = append(p.why, fmt.Sprintf("%s: %v", time.Since(p.since).Round(time.Second), err))
	}
}

// some is an image that was pushed before.
func (l *load) some() image {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.images) == 0 {
		return image{}
	}
	return l.images[mathrand.IntN(len(l.images))]
}

func layer(size int) v1.Layer {
	b := make([]byte, size)
	_, _ = rand.Read(b) // it never fails
	return static.NewLayer(b, types.OCILayer)
}

func (l *load) push(ctx context.Context, at int) (image, error) {
	l.mu.Lock()
	l.serial++
	i := image{repo: fmt.Sprintf("team/app%d", l.serial%4), tag: fmt.Sprintf("v%d", l.serial), at: at, large: l.serial%largeOf == 0}
	l.mu.Unlock()
	size := 1 + mathrand.IntN(small)
	if i.large {
		size = large
	}
	if err := l.write(ctx, &i, layer(size)); err != nil {
		return i, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.images = append(l.images, i)
	l.phase.pushed++
	return i, nil
}

func (l *load) write(ctx context.Context, i *image, layer v1.Layer) error {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.Config(img, v1.Config{Labels: map[string]string{"name": i.tag}})
	if err == nil {
		img, err = mutate.AppendLayers(img, layer)
	}
	if err != nil {
		return err
	}
	m, err := img.Manifest()
	if err != nil {
		return err
	}
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	i.digest, i.blobs = digest.String(), []string{m.Config.Digest.String(), m.Layers[0].Digest.String()}
	r := l.swarm.members()[i.at]
	ref, err := name.ParseReference(r.HTTP+"/"+i.repo+":"+i.tag, name.Insecure)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return remote.Write(ref, img, remote.WithContext(ctx), remote.WithRetryBackoff(remote.Backoff{Steps: 1}), remote.WithJobs(2),
		remote.WithTransport(r.Client.Transport))
}

// pull reads an image at a registry as a client does, and notes how long that took.
func (l *load) pull(ctx context.Context, at int, i image) {
	began := time.Now()
	status, each, err := l.read(ctx, at, i)
	took := time.Since(began)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		took = patience
		err = fmt.Errorf("pull of %s:%s, pushed to %s, from %s: %w", i.repo, i.tag, l.swarm.all[i.at].Name, l.swarm.all[at].Name, err)
	}
	l.note(func(p *phase) {
		switch {
		case err != nil:
			p.unserved++
			p.because(err)
		case i.large:
			p.large++
		}
		if !i.large {
			p.small = append(p.small, took)
			p.note(each)
		}
		if status == http.StatusNotFound {
			p.denied = append(p.denied, err.Error())
		}
	})
}

// note adds what the answers of a small pull took, those that were given.
func (p *phase) note(each []time.Duration) {
	for part, took := range each {
		p.parts[part] = append(p.parts[part], took)
	}
}

// read reads the manifest and the blobs of an image, and checks their bytes.
func (l *load) read(ctx context.Context, at int, i image) (status int, each []time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r := l.swarm.members()[at]
	paths := [][2]string{{"manifests/" + i.tag, i.digest}}
	for _, b := range i.blobs {
		paths = append(paths, [2]string{"blobs/" + b, b})
	}
	for _, p := range paths {
		began := time.Now()
		status, digest, err := r.Get(ctx, "/v2/"+i.repo+"/"+p[0])
		if err != nil {
			return 0, each, err
		}
		if status != http.StatusOK {
			return status, each, fmt.Errorf("%s: status %d", p[0], status)
		}
		if digest != p[1] {
			return status, each, fmt.Errorf("%s: other bytes", p[0])
		}
		each = append(each, time.Since(began))
	}
	return http.StatusOK, each, nil
}

// poison asks now and then for what a trusted member has made up.
func (l *load) poison(ctx context.Context) {
	paths := []string{"manifests/big", "manifests/long", "blobs/sha256:" + poisonID}
	for n := 0; ctx.Err() == nil; n++ {
		short, cancel := context.WithTimeout(ctx, patience)
		status, _, _ := l.swarm.members()[n%members].Get(short, "/v2/"+poisoned+"/"+paths[n/members%len(paths)])
		cancel()
		if ctx.Err() == nil {
			l.note(func(p *phase) { p.poisoned[status]++ })
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// lost are the acknowledged pushes that some registry does not serve, however often it is asked
// until patience ends.
func (l *load) lost(ctx context.Context, patience time.Duration) (lost []string) {
	end := time.Now().Add(patience)
	var mu sync.Mutex
	var wg sync.WaitGroup
	queue := make(chan image)
	for range 4 {
		wg.Go(func() {
			for i := range queue {
				for at, r := range l.swarm.members() {
					_, _, err := l.read(ctx, at, i)
					for err != nil && time.Now().Before(end) && ctx.Err() == nil {
						time.Sleep(time.Second)
						_, _, err = l.read(ctx, at, i)
					}
					if err != nil {
						mu.Lock()
						lost = append(lost, fmt.Sprintf("%s:%s at %s: %v", i.repo, i.tag, r.Name, err))
						mu.Unlock()
					}
				}
			}
		})
	}
	for _, i := range l.images {
		queue <- i
	}
	close(queue)
	wg.Wait()
	return lost
}

// p99 is what 99 of 100 small pulls took at most.
func (p *phase) p99() time.Duration { return most(p.small, 99) }

// most is what so many of a hundred took at most.
func most(all []time.Duration, percent int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return all[min(len(all)-1, len(all)*percent/100)]
}
