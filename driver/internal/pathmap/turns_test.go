package pathmap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
)

func headNamed(t *testing.T, name string) []cid.Cid {
	t.Helper()
	mh, err := multihash.Sum([]byte(name), multihash.SHA2_256, -1)
	if err != nil {
		t.Fatal(err)
	}
	return []cid.Cid{cid.NewCidV1(cid.DagProtobuf, mh)}
}

// readAll reads over a line, in turns, until it has so many bytes, and says when.
func readAll(t *testing.T, s *turns, id peer.ID, bytes, perSecond int, done chan<- peer.ID) {
	for got := 0; got < bytes; {
		turn, err := s.take(t.Context(), id, headNamed(t, "same"), true)
		if err != nil {
			t.Error(err)
			return
		}
		end := turn.wait()
		for got < bytes && turn.ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
			turn.got(perSecond / 100)
			got += perSecond / 100
		}
		end()
		turn.end()
	}
	done <- id
}

// TestTheFastestIsReadFirst: two slow members and a silent one are left for a fast one,
// and go on when it is done; one of two that are about as fast is not.
func TestTheFastestIsReadFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s turns
		done := make(chan peer.ID, 4)
		for _, id := range []peer.ID{"slow-1", "slow-2"} {
			go readAll(t, &s, id, 1<<20, 20_000, done)
			synctest.Wait()
		}
		go func() {
			silent, err := s.take(t.Context(), "silent", headNamed(t, "same"), true)
			if err != nil {
				t.Error(err)
				return
			}
			end := silent.wait()
			<-silent.ctx.Done()
			if cause := context.Cause(silent.ctx); !errors.Is(cause, errOvertaken) {
				t.Errorf("the silent one's turn ended by %v", cause)
			}
			end()
			silent.end()
		}()
		time.Sleep(5 * window)
		began := time.Now()
		go readAll(t, &s, "fast", 80<<20, 10<<20, done)
		if id := <-done; id != "fast" {
			t.Fatalf("%s is done first", id)
		}
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("8 s of reading took %s", took)
		}
		<-done
		<-done
	})
}

// TestTurnsSideBySide: what differs is read from several at once, what is the same from
// one, and a history from one alone.
func TestTurnsSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s turns
		granted := func(id peer.ID, head string, whole bool) *turn {
			ctx, cancel := context.WithTimeout(t.Context(), window/2)
			defer cancel()
			turn, err := s.take(ctx, id, headNamed(t, head), whole)
			if err != nil {
				return nil
			}
			turn.ctx = t.Context()
			return turn
		}
		var held []*turn
		for i := range maxTurns {
			held = append(held, granted(peer.ID(fmt.Sprint(i)), fmt.Sprint(i), false))
			if held[i] == nil {
				t.Fatalf("%d members keep another waiting", i)
			}
		}
		if granted("more", "more", false) != nil {
			t.Error("too many are read from")
		}
		held[0].end()
		for name, t2 := range map[string]*turn{
			"the same member":  granted("1", "new", false),
			"the same changes": granted("other", "2", false),
			"a history":        granted("other", "new", true),
		} {
			if t2 != nil {
				t.Errorf("%s is read beside the others", name)
			}
		}
		for _, h := range held[1:] {
			h.end()
		}
		whole := granted("other", "new", true)
		if whole == nil || granted("0", "0", false) != nil {
			t.Error("a history is not read alone")
		}
		whole.end()
	})
}

// TestARateIsForgotten: a member that was slow a minute ago is tried again.
func TestARateIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s turns
		done := make(chan peer.ID, 1)
		readAll(t, &s, "slow", 1<<20, 100_000, done)
		slow := &turn{id: "slow"}
		if rate := s.rateOf(slow); rate < 50_000 || rate > 200_000 {
			t.Errorf("it is measured as %f bytes a second", rate)
		}
		time.Sleep(forget - 1)
		if s.rateOf(slow) == unheard {
			t.Error("it is forgotten already")
		}
		time.Sleep(time.Nanosecond)
		if s.rateOf(slow) != unheard {
			t.Error("it is not forgotten")
		}
	})
}

// bursts reads over a line that is fast for a moment whenever a connection is new, and slow from
// then on, until the context ends; it counts how often the turn is taken away.
func bursts(ctx context.Context, t *testing.T, s *turns, id peer.ID, overtaken *int) {
	for ctx.Err() == nil {
		turn, err := s.take(ctx, id, headNamed(t, "same"), true)
		if err != nil {
			return
		}
		end := turn.wait()
		time.Sleep(time.Millisecond)
		turn.got(128 << 10)
		for turn.ctx.Err() == nil {
			time.Sleep(100 * time.Millisecond)
			turn.got(100)
		}
		end()
		if errors.Is(context.Cause(turn.ctx), errOvertaken) {
			*overtaken++
		}
		turn.end()
	}
}

// TestSlowMembersDoNotTakeTurnsForEver: each is tried, and then one of them goes on.
func TestSlowMembersDoNotTakeTurnsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s turns
		ctx, cancel := context.WithTimeout(t.Context(), forget/2)
		defer cancel()
		var done sync.WaitGroup
		overtaken := make([]int, 3)
		for i := range overtaken {
			done.Go(func() { bursts(ctx, t, &s, peer.ID(fmt.Sprint(i)), &overtaken[i]) })
		}
		done.Wait()
		n := 0
		for _, times := range overtaken {
			n += times
		}
		if n == 0 || n > 2*len(overtaken) {
			t.Errorf("three members were left for each other %d times in half a minute", n)
		}
	})
}

// TestAMemberThatFailsIsTriedOnce a minute, and not whenever it asks for its turn.
func TestAMemberThatFailsIsTriedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s turns
		ctx, cancel := context.WithTimeout(t.Context(), forget/2)
		defer cancel()
		var done sync.WaitGroup
		var overtaken int
		done.Go(func() { bursts(ctx, t, &s, "slow", &overtaken) })
		synctest.Wait()
		done.Go(func() {
			for ctx.Err() == nil {
				turn, err := s.take(ctx, "refuses", headNamed(t, "same"), true)
				if err != nil {
					return
				}
				turn.failed = true
				turn.end()
			}
		})
		done.Wait()
		if overtaken != 1 {
			t.Errorf("a member was left %d times in half a minute for one that cannot be read from", overtaken)
		}
	})
}
