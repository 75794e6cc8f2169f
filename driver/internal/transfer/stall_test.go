package transfer

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// ended is after what time, and by what cause, a context ended.
func ended(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	<-ctx.Done()
	return time.Since(began), context.Cause(ctx)
}

// every calls f at the end of each period, so often, or until a context ends.
func every(ctx context.Context, period time.Duration, times int, f func()) {
	for range times {
		select {
		case <-time.After(period):
			f()
		case <-ctx.Done():
			return
		}
	}
}

// TestWhenATransferStalls: when no byte has come for a time, or no leaf for several times
// that long, however many bytes come; hashing what is here is neither.
func TestWhenATransferStalls(t *testing.T) {
	p := timingFor(time.Minute)
	for name, c := range map[string]struct {
		does func(j *job)
		want time.Duration
	}{
		"nothing comes":         {func(*job) {}, p.stall},
		"bytes come, no leaf":   {func(j *job) { every(j.ctx, p.stall/2, 100, j.flows) }, p.trickle},
		"bytes come to an end":  {func(j *job) { every(j.ctx, p.stall/2, 3, j.flows) }, p.stall*3/2 + p.stall},
		"leaves come to an end": {func(j *job) { every(j.ctx, p.stall*9/10, 10, j.landed) }, p.stall*9 + p.stall},
		"leaves come slowly, bytes all the time": {func(j *job) {
			go every(j.ctx, p.stall/2, 30, j.flows)
			every(j.ctx, p.trickle*9/10, 4, j.landed)
		}, p.stall*30/2 + p.stall},
		"what is here is hashed": {func(j *job) {
			j.plan.hashing.Store(true)
			time.Sleep(10 * p.trickle)
			j.progress()
			j.plan.hashing.Store(false)
		}, 10*p.trickle + p.stall},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := idleJob(t)
				go j.watch()
				go c.does(j)
				took, err := ended(j.ctx)
				require.ErrorIs(t, err, errStalled)
				require.Equal(t, c.want, took)
			})
		})
	}
}

// TestAStreamWaitsAsLongAsItTakes for its reader, and after that for members only so long.
func TestAStreamWaitsAsLongAsItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := idleJob(t)
		s := &stream{j: j, ctx: j.ctx, leaves: make(chan []byte)}
		go j.watch()
		time.AfterFunc(time.Hour, func() { <-s.leaves })
		require.True(t, s.hand(nil))
		took, err := ended(j.ctx)
		require.ErrorIs(t, err, errStalled)
		require.Equal(t, j.t.timing.stall, took)
	})
}

// TestATransferWithoutReaders goes on for a time, and ends if none comes until then.
func TestATransferWithoutReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := idleJob(t)
		linger := j.t.timing.linger
		for range 3 {
			require.True(t, j.enter())
			require.True(t, j.enter())
			j.leave()
			time.Sleep(2 * linger)
			j.leave()
			time.Sleep(linger - 1)
			synctest.Wait()
			require.NoError(t, j.ctx.Err())
		}
		took, err := ended(j.ctx)
		require.ErrorIs(t, err, errUnread)
		require.EqualValues(t, 1, took)
		require.False(t, j.enter())
	})
}

// TestWhenAStreamIsCut: when its holder sends no byte for a time, however long those that
// came take to be processed, and when a leaf takes long that another would send faster.
func TestWhenAStreamIsCut(t *testing.T) {
	p := timingFor(time.Minute)
	for name, c := range map[string]struct {
		patience, every, busy time.Duration // of the run; between two bytes; to process one
		other                 float64       // bytes a second that another holder sends; 0: there is none
		want                  time.Duration
		cause                 error
	}{
		"no byte":                      {cause: wire.ErrSilent, want: p.silence},
		"none though one was patient":  {patience: time.Second, cause: wire.ErrSilent, want: p.silence},
		"bytes":                        {every: p.silence - 1},
		"bytes that are processed":     {every: 1, busy: 3 * p.silence},
		"few, and another sends more":  {every: p.silence - 1, other: mib, cause: errSlow, want: p.slow},
		"few, and another sends fewer": {every: p.silence - 1, other: 1.0 / 3600},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := idleJob(t)
				r := &run{to: 1, id: "holder", began: time.Now(), patience: c.patience}
				j.roster.add(r.id, nil)
				if c.other > 0 {
					j.roster.add("other", nil)
					j.roster.measured("other", mib, time.Duration(mib/c.other*float64(time.Second)))
				}
				from, to := net.Pipe()
				ctx, cut := context.WithCancelCause(j.ctx)
				defer context.AfterFunc(ctx, func() { _ = from.Close() })()
				g := newGuard(j, r, cut)
				g.body = from
				g.begin()
				if c.every > 0 {
					go every(ctx, c.every, 100, func() { _, _ = to.Write([]byte{0}) })
				}
				began := time.Now()
				var err error
				for range 100 {
					if _, err = io.ReadFull(g, make([]byte, 1)); err != nil {
						break
					}
					time.Sleep(c.busy)
				}
				g.stop()
				_ = to.Close()
				if !errors.Is(context.Cause(ctx), c.cause) {
					t.Errorf("cut after %s: %v", time.Since(began), context.Cause(ctx))
				}
				if c.cause != nil && (err == nil || time.Since(began) != c.want) {
					t.Errorf("it ended after %s: %v", time.Since(began), err)
				}
				cut(nil)
			})
		})
	}
}

// TestTheFirstByteMayTakeLonger: it may take half again as long as its holder may wait for the leaf.
func TestTheFirstByteMayTakeLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := idleJob(t)
		ctx, cut := context.WithCancelCause(j.ctx)
		defer newGuard(j, &run{patience: time.Hour}, cut).stop()
		took, err := ended(ctx)
		require.ErrorIs(t, err, wire.ErrSilent)
		require.Equal(t, 90*time.Minute, took)
	})
}

// TestAHolderThatFailsRests, longer each time up to a bound, until it delivers or says anew
// what it has.
func TestAHolderThatFailsRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := timingFor(time.Minute)
		r := newRoster(p)
		r.add("holder", nil)
		fail := func() (rest time.Duration) {
			_, ok := r.pick(anyLeaf)
			require.True(t, ok)
			r.done("holder", wire.ErrSilent)
			for began := time.Now(); !r.enough(); time.Sleep(time.Millisecond) {
				rest = time.Since(began) + time.Millisecond
			}
			return rest
		}
		for _, want := range []time.Duration{p.retry, 2 * p.retry, 4 * p.retry, p.backoff, p.backoff} {
			require.Equal(t, want, fail())
		}
		r.done("holder", nil)
		require.Equal(t, p.retry, fail())
		r.done("holder", wire.ErrSilent)
		require.False(t, r.enough())
		r.add("holder", nil)
		require.True(t, r.enough())
	})
}

// TestWhoWaitsForHolders waits for those that do not answer only a moment once one holds
// the blob, and else until all have answered or had their time.
func TestWhoWaitsForHolders(t *testing.T) {
	for name, c := range map[string]struct {
		holds time.Duration // when one says so
		want  func(p timing) time.Duration
	}{
		"one holds it":            {time.Second, func(p timing) time.Duration { return time.Second + p.grace }},
		"it says so near the end": {time.Minute - 1, func(timing) time.Duration { return time.Minute }},
		"nobody holds it":         {time.Hour, func(timing) time.Duration { return time.Minute }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := idle(t)
				q := &question{changed: newSignal(), done: make(chan struct{})}
				defer time.AfterFunc(time.Millisecond, func() { q.note("other", false, nil, nil) }).Stop()
				defer time.AfterFunc(c.holds, func() { q.note("holder", true, nil, nil) }).Stop()
				defer time.AfterFunc(time.Minute, func() { close(q.done) }).Stop()
				began := time.Now()
				require.NoError(t, x.awaitHolders(t.Context(), q))
				require.Equal(t, c.want(x.timing), time.Since(began))
			})
		})
	}
}
