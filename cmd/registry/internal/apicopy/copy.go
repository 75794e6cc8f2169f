// Package apicopy copies images from one registry to another by their API.
//
//	from, err := apicopy.At("https://registry.example.com", nil)
//	r, err := apicopy.Copy(ctx, from, to, apicopy.Options{Repositories: []string{"team"}}, tell)
//
// Tags are copied with all that their manifests name. Digests stay. What is there already is found by
// HEAD and not copied again. Credentials are those of docker's configuration file, and its helpers.
//
// Limits: the API lists no manifests without a tag, so these are not copied.
package apicopy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"
)

const (
	imagesAtOnce = 4
	layersAtOnce = 4 // of one image
	// answerTime is how long a registry may take to begin an answer: one that pushes wait for
	// may itself wait for other disks.
	answerTime = 5 * time.Minute
)

// Registry is where one registry is, and how it is spoken to.
type Registry struct {
	at      name.Registry
	options []remote.Option
	came    *atomic.Int64 // bytes of its answers
}

// At is the registry of a URL: https, or http without TLS. change may be nil; it changes the transport.
func At(address string, change func(*http.Transport)) (Registry, error) {
	u, err := url.Parse(address)
	var options []name.Option
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return Registry{}, errors.New("is no address of a registry: write it as https://<host>[:<port>]") // it may have a password
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil:
		return Registry{}, fmt.Errorf("%q: only a host and a port: repositories are named after it, and credentials are those of `docker login`", u.Redacted())
	case u.Scheme == "http":
		options = append(options, name.Insecure)
	}
	at, err := name.NewRegistry(u.Host, options...)
	if err != nil {
		return Registry{}, err
	}
	t := remote.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = answerTime
	if change != nil {
		change(t)
	}
	came := new(atomic.Int64)
	return Registry{at, []remote.Option{
		remote.WithTransport(patience{t, idleTime, came}), remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithJobs(layersAtOnce),
	}, came}, nil
}

// Options say what is copied.
type Options struct {
	Repositories []string // these, and those below them; none: all that the catalog has
	Replace      bool     // tags that lead elsewhere
	Listed       int      // how many faults, and tags that stay, are named at most
	DryRun       bool     // only look
}

// Result is what was copied, or in a dry run would be.
type Result struct {
	Repositories int     `json:"repositories"` // that were looked at
	Copied       int     `json:"copied"`       // tags, with what they lead to
	Same         int     `json:"same"`         // tags that were there
	Kept         []Tag   `json:"kept"`         // the first tags that lead elsewhere, and stay
	KeptCount    int     `json:"kept_count"`   // how many there are
	Faults       []Fault `json:"faults"`       // the first that could not be copied
	FaultCount   int     `json:"fault_count"`  // how many there are
}

// Tag is a tag that leads to another manifest on each side.
type Tag struct {
	Name  string `json:"name"`  // repository:tag
	Here  string `json:"here"`  // digest
	There string `json:"there"` // likewise, in the registry that is copied from
}

// Fault is what could not be copied.
type Fault struct {
	Name   string `json:"name"` // a repository, or repository:tag
	Reason string `json:"reason"`
}

// Progress is how far a copy is.
type Progress struct {
	Done, Of int   // tags that were looked at, and those that are known
	Came     int64 // bytes that the registry has sent from which is copied
}

// copying is one run.
type copying struct {
	from, to       Registry
	o              Options
	source, target *remote.Puller
	push           *remote.Pusher
	tell           func(Progress)
	names          []string // of the repositories
	mu             sync.Mutex
	result         Result
	done, of       int
}

// Copy copies images. The error is that of ctx, or says that nothing could be copied; what
// goes wrong with one image is a fault. tell is called about once a second, and with each tag, from one goroutine
// at a time.
func Copy(ctx context.Context, from, to Registry, o Options, tell func(Progress)) (Result, error) {
	c := &copying{from: from, to: to, o: o, tell: tell, result: Result{Kept: []Tag{}, Faults: []Fault{}}}
	var err error
	if c.source, err = remote.NewPuller(from.options...); err != nil {
		return c.result, err
	}
	if c.target, err = remote.NewPuller(to.options...); err != nil {
		return c.result, err
	}
	if c.push, err = remote.NewPusher(to.options...); err != nil {
		return c.result, err
	}
	if c.names, err = c.repositories(ctx); err != nil {
		return c.result, err
	}
	defer c.tellWhileCopying()()
	for _, of := range c.names {
		c.repository(ctx, of)
		if ctx.Err() != nil {
			return c.result, ctx.Err()
		}
	}
	return c.result, nil
}

// tellWhileCopying tells about once a second how far it is, also within a large blob, until it is stopped.
func (c *copying) tellWhileCopying() (stop func()) {
	ended := make(chan struct{})
	var tells sync.WaitGroup
	tells.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.note(func() {})
			case <-ended:
				return
			}
		}
	})
	return func() { close(ended); tells.Wait() }
}

// repositories are those that are copied. A registry without a catalog has those that are named.
func (c *copying) repositories(ctx context.Context) ([]string, error) {
	all, err := c.source.Catalog(ctx, c.from.at)
	if err != nil && (len(c.o.Repositories) == 0 || ctx.Err() != nil) {
		return nil, cmp.Or(ctx.Err(), fmt.Errorf("list the repositories of %s: %w; name those that are to be copied", c.from.at, err))
	}
	if len(c.o.Repositories) == 0 {
		return all, nil
	}
	some := slices.Clone(c.o.Repositories)
	for _, of := range all {
		if slices.ContainsFunc(c.o.Repositories, func(named string) bool { return strings.HasPrefix(of, named+"/") }) {
			some = append(some, of)
		}
	}
	slices.Sort(some)
	return slices.Compact(some), nil
}

func (c *copying) repository(ctx context.Context, of string) {
	from, err := name.NewRepository(c.from.at.Name()+"/"+of, c.strictly(c.from)...)
	if err != nil {
		c.fault(ctx, of, err)
		return
	}
	tags, err := c.source.List(ctx, from)
	if isAbsent(err) && c.isAbove(of) {
		return // it only stands for those below it
	}
	if err != nil {
		c.fault(ctx, of, err)
		return
	}
	c.note(func() { c.result.Repositories++; c.of += len(tags) })
	var g errgroup.Group
	g.SetLimit(imagesAtOnce)
	for _, tag := range tags {
		g.Go(func() error {
			if ctx.Err() == nil {
				c.tag(ctx, of, tag)
			}
			return nil
		})
	}
	_ = g.Wait() // none has an error
}

// isAbove reports whether others are copied that lie below a repository.
func (c *copying) isAbove(of string) bool {
	return slices.ContainsFunc(c.names, func(other string) bool { return strings.HasPrefix(other, of+"/") })
}

func (c *copying) strictly(r Registry) []name.Option {
	if r.at.Scheme() == "http" {
		return []name.Option{name.Insecure}
	}
	return nil
}

// tag copies one tag, unless it is there.
func (c *copying) tag(ctx context.Context, repository, tag string) {
	full := repository + ":" + tag
	defer c.note(func() { c.done++ })
	there, here, err := c.look(ctx, full)
	switch {
	case err != nil:
		c.fault(ctx, full, err)
	case here != nil && here.Digest == there.Digest:
		c.note(func() { c.result.Same++ })
	case here != nil && !c.o.Replace:
		c.note(func() { c.result.keep(Tag{full, here.Digest.String(), there.Digest.String()}, c.o.Listed) })
	default:
		if err := c.copy(ctx, full); err != nil {
			c.fault(ctx, full, err)
			return
		}
		c.note(func() { c.result.Copied++ })
	}
}

// look asks both registries where a tag leads; here is nil when the target has none.
func (c *copying) look(ctx context.Context, full string) (there, here *v1.Descriptor, err error) {
	from, err := c.ref(c.from, full)
	if err != nil {
		return nil, nil, err
	}
	to, err := c.ref(c.to, full)
	if err != nil {
		return nil, nil, err
	}
	if there, err = c.source.Head(ctx, from); err != nil {
		return nil, nil, err
	}
	here, err = c.target.Head(ctx, to)
	if isAbsent(err) {
		return there, nil, nil
	}
	return there, here, err
}

func (c *copying) copy(ctx context.Context, full string) error {
	if c.o.DryRun {
		return nil
	}
	from, err := c.ref(c.from, full)
	if err != nil {
		return err
	}
	to, err := c.ref(c.to, full)
	if err != nil {
		return err
	}
	image, err := c.source.Get(ctx, from)
	if err != nil {
		return err
	}
	return c.push.Push(ctx, to, image)
}

func (c *copying) ref(r Registry, full string) (name.Reference, error) {
	return name.NewTag(r.at.Name()+"/"+full, c.strictly(r)...)
}

// isAbsent reports whether a registry has said that it does not have something.
func isAbsent(err error) bool {
	var said *transport.Error
	return errors.As(err, &said) && said.StatusCode == http.StatusNotFound
}

// note changes what is counted, and tells it.
func (c *copying) note(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	c.tell(Progress{c.done, c.of, c.from.came.Load()})
}

func (c *copying) fault(ctx context.Context, of string, err error) {
	if ctx.Err() != nil {
		return // which Copy returns
	}
	c.note(func() {
		if c.result.FaultCount++; len(c.result.Faults) < c.o.Listed {
			c.result.Faults = append(c.result.Faults, Fault{of, reasonOf(err)})
		}
	})
}

// reasonOf is the text of an error, without the query of a URL: that of an upload, or of a store to which a
// registry redirects, is long, and lets others go on with it.
func reasonOf(err error) string {
	text := err.Error()
	if of, ok := errors.AsType[*url.Error](err); ok {
		if at, query, ok := strings.Cut(of.URL, "?"); ok {
			text = strings.ReplaceAll(text, at+"?"+query, at)
		}
	}
	return text
}

func (r *Result) keep(t Tag, most int) {
	if r.KeptCount++; len(r.Kept) < most {
		r.Kept = append(r.Kept, t)
	}
}
