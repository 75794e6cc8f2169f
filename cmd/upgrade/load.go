package main

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
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
	clientPatience = 30 * time.Second // with one push or pull
	small          = 16 << 10         // bytes of a layer, at most
	large          = 5 << 20
	largeOf        = 15 // one of so many images is large
	deletedOf      = 5  // and so many are deleted after a while
)

// image is one that a client pushed.
type image struct {
	repo, tag, digest string
	blobs             []string
	img               v1.Image
	gone              bool // it was deleted, and that was acknowledged
	doubtful          bool // a delete of it had no answer
}

// client pushes to one registry, and pulls from all. What it pushes nobody else moves or deletes.
type client struct {
	load *load
	home *registry
	repo string

	mu      sync.Mutex
	serial  int
	images  []*image
	current string   // digest of the tag "current", acknowledged last
	maybe   []string // digests that it may have instead: their pushes had no answer
}

// load is all clients.
type load struct {
	clients []*client
	swarm   *swarm

	pushed, pulled, deleted, refused atomic.Int64

	mu    sync.Mutex
	wrong []string
}

func newLoad(s *swarm) *load {
	l := &load{swarm: s}
	for _, r := range s.all {
		l.clients = append(l.clients, &client{load: l, home: r, repo: "team/" + string('a'+r.Name[0]-'A')})
	}
	return l
}

// start has all clients work until stop is called, which waits until each has pushed acts images
// more than it had.
func (l *load) start(ctx context.Context) (stop func(acts int) error) {
	var wg sync.WaitGroup
	var enough atomic.Bool
	for _, c := range l.clients {
		wg.Go(func() {
			for ctx.Err() == nil && !enough.Load() {
				c.act(ctx)
			}
		})
	}
	return func(acts int) error {
		defer wg.Wait()
		defer enough.Store(true)
		var goals []int
		for _, c := range l.clients {
			goals = append(goals, c.count()+acts)
		}
		return l.swarm.await(ctx, func(context.Context) string {
			for i, c := range l.clients {
				if n := c.count(); n < goals[i] {
					return fmt.Sprintf("the client of %s has pushed %d images, not %d", c.home.Name, n, goals[i])
				}
			}
			return ""
		})
	}
}

func (c *client) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.images)
}

// act pushes an image and pulls one, and now and then deletes one.
func (c *client) act(ctx context.Context) {
	i, err := c.push(ctx)
	if err != nil {
		c.load.refused.Add(1)
		pause(ctx, 100*time.Millisecond) // its registry is being replaced
	} else {
		if err := c.move(ctx, i); err != nil {
			c.load.refused.Add(1)
		}
		i.img = nil // it is on their disks
	}
	other := c.load.clients[mathrand.IntN(len(c.load.clients))]
	if some := other.some(); some != nil {
		c.pull(ctx, c.load.swarm.all[mathrand.IntN(members)], some)
	}
	if mathrand.IntN(deletedOf) == 0 {
		c.delete(ctx)
	}
}

// some is an image that nobody will delete.
func (c *client) some() *image {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.images) == 0 {
		return nil
	}
	i := c.images[mathrand.IntN(len(c.images))]
	if i.gone || i.doubtful {
		return nil
	}
	return i
}

// push pushes a new image.
func (c *client) push(ctx context.Context) (*image, error) {
	c.serial++
	size := 1 + mathrand.IntN(small)
	if c.serial%largeOf == 0 {
		size = large
	}
	i, err := newImage(c.repo, fmt.Sprintf("v%d", c.serial), size)
	if err == nil {
		err = c.write(ctx, i, i.tag)
	}
	if err != nil {
		return nil, err
	}
	c.load.pushed.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.images = append(c.images, i)
	return i, nil
}

// move gives the tag "current" to an image.
func (c *client) move(ctx context.Context, i *image) error {
	err := c.write(ctx, i, "current")
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.maybe = append(c.maybe, i.digest)
		return err
	}
	c.current, c.maybe = i.digest, nil
	return nil
}

// delete deletes an image that is not current, and never was since.
func (c *client) delete(ctx context.Context) {
	c.mu.Lock()
	var i *image
	if n := len(c.images); n > deletedOf {
		i = c.images[n-deletedOf]
	}
	if i == nil || i.gone || i.doubtful || i.digest == c.current {
		c.mu.Unlock()
		return
	}
	i.doubtful = true
	c.mu.Unlock()
	ref, err := c.reference("@" + i.digest)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, clientPatience)
		defer cancel()
		err = remote.Delete(ref, c.options(ctx)...)
	}
	if err != nil {
		c.load.refused.Add(1)
		return
	}
	c.load.deleted.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	i.gone, i.doubtful = true, false
}

func (c *client) write(ctx context.Context, i *image, tag string) error {
	ref, err := c.reference(":" + tag)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, clientPatience)
	defer cancel()
	return remote.Write(ref, i.img, c.options(ctx)...)
}

func (c *client) reference(of string) (name.Reference, error) {
	return name.ParseReference(c.home.HTTP+"/"+c.repo+of, name.Insecure)
}

func (c *client) options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx), remote.WithRetryBackoff(remote.Backoff{Steps: 1}), remote.WithJobs(2), remote.WithTransport(c.home.Client.Transport),
	}
}

// pull reads an image from a registry that may be about to be replaced: it may be refused, but not
// denied, and not answered with other bytes.
func (c *client) pull(ctx context.Context, r *registry, i *image) {
	why, denied := i.read(ctx, r)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case why == "":
		c.load.pulled.Add(1)
	case denied && !i.gone && !i.doubtful: // else it was deleted meanwhile
		c.load.lie(why)
	default:
		c.load.refused.Add(1)
	}
}

// lie notes an answer that must not be.
func (l *load) lie(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, why)
}

// read reads the manifest, by its tag and by its digest, and the blobs of an image. Why is what is
// wrong with the answers, "" when nothing is; denied: it is said not to be there, or has other bytes.
func (i *image) read(ctx context.Context, r *registry) (why string, denied bool) {
	paths := [][2]string{{"manifests/" + i.tag, i.digest}, {"manifests/" + i.digest, i.digest}}
	for _, b := range i.blobs {
		paths = append(paths, [2]string{"blobs/" + b, b})
	}
	for _, p := range paths {
		if why, denied := readOne(ctx, r, i.repo, p[0], p[1]); why != "" {
			return why, denied
		}
	}
	return "", false
}

func readOne(ctx context.Context, r *registry, repo, path, want string) (why string, denied bool) {
	status, digest, err := r.read(ctx, "/v2/"+repo+"/"+path)
	switch at := fmt.Sprintf("%s/%s at %s", repo, path, r.Name); {
	case err != nil:
		return fmt.Sprintf("%s: %v", at, err), false
	case status != http.StatusOK:
		return fmt.Sprintf("%s: status %d", at, status), status == http.StatusNotFound
	case digest != want:
		return fmt.Sprintf("%s: other bytes, %s", at, digest), true
	}
	return "", false
}

func newImage(repo, tag string, size int) (*image, error) {
	content := make([]byte, size)
	_, _ = rand.Read(content) // it never fails
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.Config(img, v1.Config{Labels: map[string]string{"name": repo + ":" + tag}})
	if err == nil {
		img, err = mutate.AppendLayers(img, static.NewLayer(content, types.OCILayer))
	}
	if err != nil {
		return nil, err
	}
	m, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	digest, err := img.Digest()
	return &image{repo: repo, tag: tag, digest: digest.String(), img: img, blobs: []string{m.Config.Digest.String(), m.Layers[0].Digest.String()}}, err
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
