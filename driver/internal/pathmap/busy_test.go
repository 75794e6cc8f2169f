package pathmap_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-varint"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// TestAMemberThatDoesNotAnswer may have what is asked for, when it has answered before: then
// nobody says that there is none. One that is gone has nothing.
func TestAMemberThatDoesNotAnswer(t *testing.T) {
	for name, fails := range map[string]func(f *fabric){
		"refuses": func(f *fabric) {
			f.wrap = func(_ peer.ID, conn net.Conn) net.Conn { _ = conn.Close(); return ended{conn} }
		},
		"is silent": func(f *fabric) { f.mutes(0); f.mutedToo("a"); f.busy.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFabric(t)
			f.interval = time.Hour
			f.loseAll.Store(true)
			a, b := f.add("a"), f.add("b")
			if err := b.catchUp(t, time.Minute); err != nil {
				t.Fatal(err)
			}
			put(t, a, "/p", "1")
			fails(f)
			if err := b.catchUp(t, time.Second); !errors.Is(err, pathmap.ErrBehind) || has(b, "/p", "1", t) {
				t.Errorf("a member that %s is taken for one that has nothing: %v", name, err)
			}
			f.wrap = nil
			f.mutes(0)
			f.mutedToo("a")
			f.busy.Store(false)
			if err := b.catchUp(t, 9*time.Second); err != nil { // of which it has a third
				t.Errorf("one that gives no sign of life is waited for: %v", err)
			}
			f.isolate("a", true)
			if err := b.catchUp(t, time.Minute); err != nil {
				t.Errorf("one that is gone is waited for: %v", err)
			}
			f.isolate("a", false)
			f.muted = nil
			if err := b.catchUp(t, time.Minute); err != nil || !has(b, "/p", "1", t) {
				t.Errorf("it answers again: %v", err)
			}
		})
	}
}

// TestOneBringsWhatIsAskedFor while another one does not answer: nobody waits for that one.
func TestOneBringsWhatIsAskedFor(t *testing.T) {
	f := newFabric(t)
	f.interval = time.Hour
	f.loseAll.Store(true)
	f.mutes(1)
	a, b := f.add("a"), f.add("b")
	put(t, a, "/p", "1")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := b.m.CatchUpUntil(ctx, func() bool { return has(b, "/p", "1", t) }); err != nil || !has(b, "/p", "1", t) {
		t.Fatal(err)
	}
	if f.asking.Load() == 0 {
		t.Error("all had answered")
	}
}

// TestAMemberThatIsStillForAMoment may have what is asked for, though it gives no sign of life: its
// machine may be short of a processor. It may not for long.
func TestAMemberThatIsStillForAMoment(t *testing.T) {
	f := newFabric(t)
	f.interval = time.Hour
	f.loseAll.Store(true)
	a, b := f.add("a"), f.add("b")
	put(t, a, "/p", "1")
	still := func(yes bool) {
		if f.mutes(0); yes {
			f.mutedToo("a")
		}
	}
	eventually(t, "what it may have is not denied", func() bool {
		still(false)
		if err := b.catchUp(t, time.Minute); err != nil {
			t.Fatal(err)
		}
		still(true)
		return errors.Is(b.catchUp(t, 30*time.Millisecond), pathmap.ErrBehind)
	})
	eventually(t, "it is passed over", func() bool { return b.catchUp(t, 30*time.Millisecond) == nil })
}

// TestAMemberThatHasNotAnsweredYet, because it refuses whoever asks, or is busy and known of old, may
// have what is asked for. One that is silent and that nobody knows may not: it keeps nobody waiting.
func TestAMemberThatHasNotAnsweredYet(t *testing.T) {
	for name, c := range map[string]struct {
		fails func(f *fabric)
		err   error
	}{
		"refuses": {func(f *fabric) {
			f.wrap = func(_ peer.ID, conn net.Conn) net.Conn { _ = conn.Close(); return ended{conn} }
		}, pathmap.ErrBehind},
		"is silent and known": {func(f *fabric) { f.mutes(0); f.mutedToo("a"); f.busy.Store(true); f.confirmed["a"] = true }, pathmap.ErrBehind},
		"is silent":           {func(f *fabric) { f.mutes(0); f.mutedToo("a"); f.busy.Store(true) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFabric(t)
			f.interval = time.Hour
			f.loseAll.Store(true)
			c.fails(f)
			a := f.add("a")
			put(t, a, "/p", "1")
			b := f.add("b")
			if err := b.catchUp(t, 3*time.Second); !errors.Is(err, c.err) || has(b, "/p", "1", t) {
				t.Errorf("a member that %s: %v", name, err)
			}
		})
	}
}

func (s *seat) catchUp(t *testing.T, within time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return s.m.CatchUp(ctx)
}

// mutedToo mutes a member of the fabric.
func (f *fabric) mutedToo(id peer.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.muted[id] = true
}

// ended is a connection that the other end has closed.
type ended struct{ net.Conn }

func (ended) Read([]byte) (int, error)    { return 0, io.EOF }
func (ended) Write(b []byte) (int, error) { return len(b), nil }

// TestHeldExchangesKeepNobodyOut: identities of an attacker, trusted or not, that hold as many
// exchanges as they can, and ask and ask, do not keep a member from seeing what was pushed.
func TestHeldExchangesKeepNobodyOut(t *testing.T) {
	for name, trusted := range map[string]bool{"of untrusted members": false, "where all are trusted": true} {
		t.Run(name, func(t *testing.T) {
			f := newFabric(t)
			f.interval = time.Hour
			f.loseAll.Store(true)
			a, b := f.add("a"), f.add("b")
			if err := b.catchUp(t, time.Minute); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			var holding sync.WaitGroup
			defer holding.Wait()
			defer stop()
			for i := range 20 {
				bad := &seat{f: f, id: peer.ID(fmt.Sprintf("bad-%d", i))}
				f.mu.Lock()
				f.untrusted[bad.id] = !trusted
				f.mu.Unlock()
				for range 4 {
					holding.Go(func() { bad.hold(ctx, a.id) })
				}
			}
			eventually(t, "exchanges are held", func() bool { return a.served() >= map[bool]int{false: 16, true: 64}[trusted] })
			for i := range 10 {
				path := fmt.Sprintf("/p%d", i)
				put(t, a, path, "1")
				eventually(t, "what was pushed is seen", func() bool {
					err := b.catchUp(t, 10*time.Second)
					if seen := has(b, path, "1", t); err == nil && !seen || err != nil && !errors.Is(err, pathmap.ErrBehind) {
						t.Fatalf("what was pushed is not seen: %v", err)
					}
					return err == nil
				})
			}
		})
	}
}

// hold keeps an exchange with a member, and asks all the time; when it is ended, another one.
func (s *seat) hold(ctx context.Context, id peer.ID) {
	request := []byte(`{"op":"heads"}`)
	request = append(varint.ToUvarint(uint64(len(request))), request...)
	for ctx.Err() == nil {
		conn, err := s.Dial(ctx, id, pathmap.Protocol)
		if err != nil {
			return
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		for r := bufio.NewReader(conn); err == nil; {
			var n uint64
			if _, err = conn.Write(request); err == nil {
				n, err = varint.ReadUvarint(r)
			}
			if err == nil {
				_, err = io.CopyN(io.Discard, r, int64(n))
			}
			time.Sleep(10 * time.Millisecond)
		}
		stop()
		_ = conn.Close()
	}
}

// served is how many exchanges it answers.
func (s *seat) served() int { return s.Budget().Bound(limit.PathExchanges).Len() }
