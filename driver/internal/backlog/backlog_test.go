package backlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// work is what a backlog is given to do: all paths there are, and those that cannot be done.
type work struct {
	mu    sync.Mutex
	paths []string
	fails map[string]bool
	tried map[string]int
	now   int // tries under way
	most  int
	holds bool // walking is not possible
	walks int
	said  []int
}

func (w *work) try(_ context.Context, path string) error {
	w.mu.Lock()
	w.tried[path]++
	w.now++
	w.most = max(w.most, w.now)
	w.mu.Unlock()
	time.Sleep(time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now--
	if w.fails[path] {
		return errors.New("not now")
	}
	return nil
}

func (w *work) walk(_ context.Context, try func(string) bool) bool {
	w.mu.Lock()
	w.walks++
	paths, holds := w.paths, w.holds
	w.mu.Unlock()
	for _, p := range paths {
		if holds || !try(p) {
			return false
		}
	}
	return true
}

func (w *work) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func start(t *testing.T, ready func(context.Context)) (*Backlog, *work) {
	w := &work{fails: map[string]bool{}, tried: map[string]int{}}
	b := New(Config{
		AtOnce: 2, Least: time.Second, Most: time.Minute, Try: w.try, Walk: w.walk, Ready: ready,
		Fails: func(n int) { w.change(func() { w.said = append(w.said, n) }) },
	})
	b.Start()
	t.Cleanup(b.Stop)
	return b, w
}

func later(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestWhatFailsIsTriedAgain until it is done, and what was done is not; that something fails
// is said once.
func TestWhatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, w := start(t, nil)
		w.fails["/b"] = true
		b.Add([]string{"/a", "/b", "/c"})
		later(5 * time.Minute)
		w.change(func() {
			if w.tried["/a"] != 1 || w.tried["/c"] != 1 || w.tried["/b"] < 5 || w.tried["/b"] > 20 || len(w.said) != 1 || w.walks > 0 {
				t.Errorf("tried %v, said %v, %d walks", w.tried, w.said, w.walks)
			}
			delete(w.fails, "/b")
		})
		if b.Failed() != 1 {
			t.Errorf("%d failed", b.Failed())
		}
		b.Hurry()
		later(3 * time.Second)
		if b.Failed() != 0 {
			t.Errorf("%d failed", b.Failed())
		}
		before := w.tried["/b"]
		later(time.Hour)
		w.change(func() {
			if w.tried["/b"] != before || w.most > 4 {
				t.Errorf("tried %d times more, %d at once", w.tried["/b"]-before, w.most)
			}
			w.fails["/d"] = true
		})
		b.Add([]string{"/d"})
		later(time.Minute)
		w.change(func() {
			if len(w.said) != 2 {
				t.Errorf("said %v", w.said)
			}
		})
	})
}

// TestTooManyAreFoundByWalking: memory is bounded, and nothing is forgotten.
func TestTooManyAreFoundByWalking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := make(chan struct{})
		b, w := start(t, func(ctx context.Context) {
			select {
			case <-ready:
			case <-ctx.Done():
			}
		})
		for i := range 3 * maxPaths {
			w.paths = append(w.paths, fmt.Sprint("/", i))
			w.fails[w.paths[i]] = true
		}
		b.Add(w.paths)
		later(time.Minute)
		if len(w.tried) > 0 || len(b.fresh) != maxPaths {
			t.Fatalf("%d are tried before all is ready, %d are remembered", len(w.tried), len(b.fresh))
		}
		close(ready)
		later(time.Minute)
		w.change(func() {
			if len(w.tried) != len(w.paths) || w.walks == 0 || b.Failed() > maxPaths {
				t.Errorf("%d of %d are tried in %d walks, %d failures are remembered", len(w.tried), len(w.paths), w.walks, b.Failed())
			}
			clear(w.fails)
		})
		later(10 * time.Minute)
		if n := b.Failed(); n > 0 {
			t.Errorf("%d failed", n)
		}
	})
}

// TestWalksWhenThatIsPossible, and soon after it was asked to.
func TestWalksWhenThatIsPossible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, w := start(t, nil)
		w.paths, w.holds = []string{"/a"}, true
		b.All()
		later(10 * time.Minute)
		w.change(func() {
			if w.walks < 5 || w.walks > 40 || len(w.tried) > 0 {
				t.Errorf("%d walks, tried %v", w.walks, w.tried)
			}
			w.holds = false
		})
		b.All()
		later(3 * time.Second)
		w.change(func() {
			if w.tried["/a"] == 0 || w.tried["/a"] > 2 || len(w.said) > 0 {
				t.Errorf("tried %v, said %v", w.tried, w.said)
			}
		})
	})
}
