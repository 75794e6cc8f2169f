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

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
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

// watch is a coordinator that does nothing but watch.
func watch(j *job) {
	c := newCoordinator(j)
	for j.ctx.Err() == nil {
		select {
		case <-time.After(c.watch(time.Now())):
		case <-j.ctx.Done():
		}
	}
}

// anOrder is one for the first leaf, which nobody carries out.
func anOrder(j *job, patience time.Duration) *order {
	o := &order{run: &schedule.Run{To: 1, Holder: "holder", Began: time.Now()}, holder: "holder", began: time.Now(), patience: patience}
	o.ctx, o.cut = context.WithCancelCause(j.ctx)
	return o
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
		"bytes come, no leaf":   {func(j *job) { every(j.ctx, p.stall/2, 100, j.meter.flows) }, p.trickle},
		"bytes come to an end":  {func(j *job) { every(j.ctx, p.stall/2, 3, j.meter.flows) }, p.stall*3/2 + p.stall},
		"leaves come to an end": {func(j *job) { every(j.ctx, p.stall*9/10, 10, j.meter.progress) }, p.stall*9 + p.stall},
		"leaves come slowly, bytes all the time": {func(j *job) {
			go every(j.ctx, p.stall/2, 30, j.meter.flows)
			every(j.ctx, p.trickle*9/10, 4, j.meter.progress)
		}, p.stall*30/2 + p.stall},
		"a reader takes its time": {func(j *job) {
			j.meter.held.Add(1)
			time.Sleep(10 * p.trickle)
			j.meter.progress()
			j.meter.held.Add(-1)
		}, 10*p.trickle + p.stall},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := idleJob(t)
				go watch(j)
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
		j.passage = &passage{leaves: make(chan []byte)}
		go watch(j)
		time.AfterFunc(time.Hour, func() { <-j.passage.leaves })
		require.NoError(t, j.handOn(nil))
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
				o := anOrder(j, c.patience)
				ctx, cut := o.ctx, o.cut
				of := newCoordinator(j)
				of.roster.Add(o.holder, nil)
				if c.other > 0 {
					of.roster.Add("other", nil)
					of.roster.Measured("other", mib, time.Duration(mib/c.other*float64(time.Second)))
				}
				go func() {
					select {
					case e := <-j.events:
						e.apply(of)
					case <-ctx.Done():
					}
				}()
				from, to := net.Pipe()
				defer context.AfterFunc(ctx, func() { _ = from.Close() })()
				g := newGuard(j, o)
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
		o := anOrder(j, time.Hour)
		defer newGuard(j, o).stop()
		took, err := ended(o.ctx)
		require.ErrorIs(t, err, wire.ErrSilent)
		require.Equal(t, 90*time.Minute, took)
	})
}
