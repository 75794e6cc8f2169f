package pathmap_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// commit writes an entry, and gives the heads that it is in.
func commit(t *testing.T, s *seat, path, content string) []cid.Cid {
	t.Helper()
	e := entryOf(t, content)
	heads, err := s.m.Commit(t.Context(), pathmap.Op{Path: path, Entry: &e})
	if err != nil {
		t.Fatal(err)
	}
	return heads
}

// TestWhatAMemberNamesIsMerged, though nothing was announced.
func TestWhatAMemberNamesIsMerged(t *testing.T) {
	f := quietFabric(t)
	a, b := f.add("a"), f.add("b")
	for i := range 3 {
		heads := commit(t, a, "/p", string(rune('0'+i)))
		if len(heads) != 1 {
			t.Fatalf("%d heads", len(heads))
		}
		if err := b.m.AwaitMerged(t.Context(), a.id, heads); err != nil {
			t.Fatal(err)
		}
		if !has(b, "/p", string(rune('0'+i)), t) {
			t.Error("it is not merged")
		}
		if err := a.m.AwaitMerged(t.Context(), b.id, heads); err != nil { // they are its own
			t.Fatal(err)
		}
	}
}

// TestWhatDoesNotComeIsAwaitedInVain: what nobody has, and what a stranger names.
func TestWhatDoesNotComeIsAwaitedInVain(t *testing.T) {
	f := quietFabric(t)
	a, b, c := f.add("a"), f.add("b"), f.add("c")
	heads := commit(t, a, "/p", "0")
	f.isolate(a.id, true)
	for name, from := range map[string]peer.ID{"away": a.id, "of another": c.id} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := b.m.AwaitMerged(ctx, from, heads); !errors.Is(err, pathmap.ErrBehind) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	merged := make(chan error, 1)
	go func() { merged <- b.m.AwaitMerged(t.Context(), a.id, heads) }()
	f.isolate(a.id, false)
	if err := <-merged; err != nil {
		t.Error(err)
	}
	f.mu.Lock()
	f.untrusted[a.id] = true
	f.mu.Unlock()
	if err := b.m.AwaitMerged(t.Context(), a.id, heads); err == nil {
		t.Error("a stranger is believed")
	}
}
