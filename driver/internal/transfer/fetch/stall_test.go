package fetch

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

// ended waits for a context to end, and returns how long that took and the cause.
func ended(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	<-ctx.Done()
	return time.Since(began), context.Cause(ctx)
}

// every calls f that many times, at the end of each period, or until ctx ends.
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

// watch runs a coordinator that does nothing but watch.
func watch(j *Job) {
	c := newCoordinator(j)
	for j.ctx.Err() == nil {
		select {
		case <-time.After(c.watch()):
		case <-j.ctx.Done():
		}
	}
}

// anOrder makes an order for the first leaf, which nobody carries out.
func anOrder(j *Job, patience time.Duration) *order {
	o := &order{run: &schedule.Run{To: 1, Holder: "holder", Began: time.Now()}, holder: "holder", began: time.Now(), patience: patience}
	o.ctx, o.cut = context.WithCancelCause(j.ctx)
	return o
}

// TestWhenATransferStalls shows that a transfer stalls when no byte has come for a time, or no leaf
// for several times as long, however many bytes come. The time that a reader takes does not count.
func TestWhenATransferStalls(t *testing.T) {
	p := TimingFor(time.Minute)
	for name, c := range map[string]struct {
		does func(j *Job)
		want time.Duration
	}{
		"nothing comes":         {func(*Job) {}, p.Stall},
		"bytes come, no leaf":   {func(j *Job) { every(j.ctx, p.Stall/2, 100, j.meter.flows) }, p.Trickle},
		"bytes come to an end":  {func(j *Job) { every(j.ctx, p.Stall/2, 3, j.meter.flows) }, p.Stall*3/2 + p.Stall},
		"leaves come to an end": {func(j *Job) { every(j.ctx, p.Stall*9/10, 10, j.meter.progress) }, p.Stall*9 + p.Stall},
		"leaves come slowly, bytes all the time": {func(j *Job) {
			go every(j.ctx, p.Stall/2, 30, j.meter.flows)
			every(j.ctx, p.Trickle*9/10, 4, j.meter.progress)
		}, p.Stall*30/2 + p.Stall},
		"a reader takes its time": {func(j *Job) {
			j.meter.held.Add(1)
			time.Sleep(10 * p.Trickle)
			j.meter.progress()
			j.meter.held.Add(-1)
		}, 10*p.Trickle + p.Stall},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := idleJob(t)
				go watch(j)
				go c.does(j)
				took, err := ended(j.ctx)
				require.ErrorIs(t, err, ErrStalled)
				require.Equal(t, c.want, took)
			})
		})
	}
}

// TestAStreamWaitsAsLongAsItTakes shows that a stream waits for its reader without a limit, and
// after that for members only until it stalls.
func TestAStreamWaitsAsLongAsItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := idleJob(t)
		j.passage = &passage{leaves: make(chan []byte)}
		go watch(j)
		time.AfterFunc(time.Hour, func() { <-j.passage.leaves })
		require.NoError(t, j.handOn(nil))
		took, err := ended(j.ctx)
		require.ErrorIs(t, err, ErrStalled)
		require.Equal(t, j.f.Timing.Stall, took)
	})
}

// TestATransferWithoutReaders shows that a transfer without readers goes on for a time, and ends
// when no reader comes until then.
func TestATransferWithoutReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := idleJob(t)
		linger := j.f.Timing.Linger
		for range 3 {
			require.True(t, j.Enter())
			require.True(t, j.Enter())
			j.Leave()
			time.Sleep(2 * linger)
			j.Leave()
			time.Sleep(linger - 1)
			synctest.Wait()
			require.NoError(t, j.ctx.Err())
		}
		took, err := ended(j.ctx)
		require.ErrorIs(t, err, ErrUnread)
		require.EqualValues(t, 1, took)
		require.False(t, j.Enter())
	})
}

// TestWhenAStreamIsCut shows that the stream of a holder is cut when it sends no byte for a time,
// not counting the time that it takes to process bytes, and when a leaf takes long that another
// holder would send faster.
func TestWhenAStreamIsCut(t *testing.T) {
	p := TimingFor(time.Minute)
	for name, c := range map[string]struct {
		patience, every, busy time.Duration // of the run; between two bytes; to process a byte
		other                 float64       // bytes per second that another holder sends; 0: there is none
		want                  time.Duration
		cause                 error
	}{
		"no byte":                      {cause: wire.ErrSilent, want: p.Silence},
		"none though one was patient":  {patience: time.Second, cause: wire.ErrSilent, want: p.Silence},
		"bytes":                        {every: p.Silence - 1},
		"bytes that are processed":     {every: 1, busy: 3 * p.Silence},
		"few, and another sends more":  {every: p.Silence - 1, other: mib, cause: errSlow, want: p.Slow},
		"few, and another sends fewer": {every: p.Silence - 1, other: 1.0 / 3600},
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

// TestTheFirstByteMayTakeLonger shows that the first byte may take half again as long as its holder
// may wait for the leaf.
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
