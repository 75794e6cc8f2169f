package peer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestAdmit: a stream is admitted when its peer becomes a member within a moment, and no other.
func TestAdmit(t *testing.T) {
	for name, c := range map[string]struct {
		subscribes time.Duration
		want       bool
	}{
		"a member":             {want: true},
		"one that is to be":    {subscribes: admitGrace - 1, want: true},
		"one that is too slow": {subscribes: admitGrace + 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _ := newLoner(t)
				subscribed := func() { p.roster.subscribed("other", true, true) }
				if c.subscribes == 0 {
					subscribed()
				}
				defer time.AfterFunc(c.subscribes, subscribed).Stop()
				began := time.Now()
				if got := p.admit(p.ctx, "other"); got != c.want {
					t.Errorf("%v after %s", got, time.Since(began))
				}
			})
		})
	}
}

// TestAHandlerThatNeverEnds holds up Close for a time only, one that ends until then.
func TestAHandlerThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s streams
		s.enter()
		s.enter()
		ctx, end := context.WithTimeout(t.Context(), time.Hour)
		defer end()
		context.AfterFunc(ctx, s.running.Done)
		time.AfterFunc(time.Second, s.running.Done)
		began := time.Now()
		if err := s.wait(closeTimeout); err == nil || time.Since(began) != closeTimeout {
			t.Errorf("it waited %s: %v", time.Since(began), err)
		}
		end()
		if err := s.wait(closeTimeout); err != nil || time.Since(began) != closeTimeout {
			t.Errorf("it waited %s: %v", time.Since(began), err)
		}
	})
}
