// Package backlog does in the background what is to be done for some paths, such as fetching
// what they lead to, until each is done: few at the same time, and what fails again and again,
// less and less often.
//
//	b := backlog.New(backlog.Config{AtOnce: 4, Least: time.Second, Most: 10 * time.Minute, Try: fetch, …})
//	b.Start()
//	defer b.Stop()
//	b.Add(paths) // something may be to do for these
//	b.All()      // … or for any path
//	b.Hurry()    // what failed may work now
//
// Limits: it remembers some thousand paths. Beyond these, it looks at all paths again. What is
// done is not remembered: Try is asked again and has to know.
package backlog

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxPaths is how many paths are remembered one by one: new ones, and failed ones.
const maxPaths = 4096

// Config is what a backlog does. AtOnce, Least, Most, Try and Walk are required.
type Config struct {
	AtOnce      int           // tries at the same time; as many again of what is tried again
	Least, Most time.Duration // from one round of what failed to the next, give or take a half

	// Try does what is to be done for a path; nil: nothing is left to do for it.
	Try func(ctx context.Context, path string) error
	// Again is Try for what failed before, and for what Walk finds; nil: Try.
	Again func(ctx context.Context, path string) error
	// Walk calls try for all paths, until try is false. It reports whether that could be done
	// now; if not, it is called again later.
	Walk func(ctx context.Context, try func(path string) bool) (done bool)

	// Ready waits before the first try, Met before the first one of what failed or of all.
	// Both end with ctx, and may be nil.
	Ready, Met func(ctx context.Context)
	// Fails is called when the first path fails, once until none does. It may be nil.
	Fails func(paths int)
}

// Backlog is what is still to be done. It is safe for concurrent use.
type Backlog struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	wake   chan struct{} // there is something new
	lacks  chan struct{} // there is something to try again

	retries retries

	mu     sync.Mutex
	fresh  []string
	failed map[string]bool
	known  int  // of failed, when the last round ended
	all    bool // all paths are to be looked at
	warned bool
}

// New makes a backlog, which may be told of paths from now on.
func New(cfg Config) *Backlog {
	if cfg.Again == nil {
		cfg.Again = cfg.Try
	}
	b := &Backlog{
		cfg: cfg, wake: make(chan struct{}, 1), lacks: make(chan struct{}, 1),
		retries: newRetries(cfg.Least, cfg.Most), failed: map[string]bool{},
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// Start begins to try.
func (b *Backlog) Start() {
	for range b.cfg.AtOnce {
		b.wg.Go(b.work)
	}
	b.wg.Go(b.retry)
}

// Stop ends what is under way and waits for it.
func (b *Backlog) Stop() {
	b.cancel()
	b.wg.Wait()
}

// Add takes paths for which something may be to do. It never blocks.
func (b *Backlog) Add(paths []string) {
	if len(paths) == 0 {
		return
	}
	b.mu.Lock()
	fit := min(len(paths), maxPaths-len(b.fresh))
	b.fresh = append(b.fresh, paths[:fit]...)
	if fit < len(paths) {
		b.all = true
		poke(b.lacks)
	}
	b.mu.Unlock()
	poke(b.wake)
}

// All makes all paths be looked at again. It never blocks.
func (b *Backlog) All() {
	b.mu.Lock()
	b.all = true
	b.mu.Unlock()
	poke(b.lacks)
	b.Hurry()
}

// Hurry makes what failed be tried again, because it may work now. It never blocks.
func (b *Backlog) Hurry() { b.retries.hurry() }

// Failed is how many paths failed when they were last tried, of those that are remembered.
func (b *Backlog) Failed() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(b.known, len(b.failed))
}

// wait calls a function of the configuration; false when the backlog stops.
func (b *Backlog) wait(f func(context.Context)) bool {
	if f != nil {
		f(b.ctx)
	}
	return b.ctx.Err() == nil
}

// work tries what is new.
func (b *Backlog) work() {
	if !b.wait(b.cfg.Ready) {
		return
	}
	for {
		path, ok := b.next()
		if !ok {
			select {
			case <-b.wake:
				continue
			case <-b.ctx.Done():
				return
			}
		}
		b.try(path, b.cfg.Try)
	}
}

func (b *Backlog) next() (path string, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.fresh) == 0 || b.ctx.Err() != nil {
		return "", false
	}
	path, b.fresh = b.fresh[0], b.fresh[1:]
	if len(b.fresh) > 0 {
		poke(b.wake)
	}
	return path, true
}

// try tries one path, and remembers when that failed.
func (b *Backlog) try(path string, do func(context.Context, string) error) {
	err := do(b.ctx, path)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.failed, path)
	switch {
	case err == nil || b.ctx.Err() != nil:
		return
	case len(b.failed) == maxPaths:
		b.all = true
	default:
		b.failed[path] = true
	}
	poke(b.lacks)
}

// retry tries what failed again, and looks at all paths when that is to be done.
func (b *Backlog) retry() {
	if !b.wait(b.cfg.Met) || !b.wait(b.cfg.Ready) {
		return
	}
	b.retries.run(b.ctx, func() (lacking bool) {
		b.awaitLacking()
		b.again()
		return b.complain()
	})
}

// awaitLacking waits until there is something to try again, and a little longer.
func (b *Backlog) awaitLacking() {
	for b.ctx.Err() == nil {
		b.mu.Lock()
		lacking := b.all || len(b.failed) > 0
		b.warned = b.warned && lacking
		b.mu.Unlock()
		if lacking {
			return
		}
		select {
		case <-b.lacks:
			b.retries.settle(b.ctx)
		case <-b.ctx.Done():
		}
	}
}

func (b *Backlog) again() {
	b.mu.Lock()
	all, failed := b.all, b.failed
	b.all, b.failed, b.known = false, map[string]bool{}, len(failed)
	b.mu.Unlock()
	var g errgroup.Group
	g.SetLimit(b.cfg.AtOnce)
	try := func(path string) bool {
		g.Go(func() error { b.try(path, b.cfg.Again); return nil })
		return b.ctx.Err() == nil
	}
	for path := range failed {
		if !try(path) {
			break
		}
	}
	done := !all || b.cfg.Walk(b.ctx, try)
	_ = g.Wait() // nothing in it fails
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all, b.known = b.all || !done, 0
}

// complain says once that something fails, until all is done; it reports whether something is.
func (b *Backlog) complain() (lacking bool) {
	b.mu.Lock()
	failed := len(b.failed)
	say := failed > 0 && !b.warned && b.ctx.Err() == nil
	b.warned, lacking = failed > 0, failed > 0 || b.all
	b.mu.Unlock()
	if say && b.cfg.Fails != nil {
		b.cfg.Fails(failed)
	}
	return lacking
}
