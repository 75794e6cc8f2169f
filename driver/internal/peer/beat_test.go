package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// TestTimesOfHeartbeats: every ten seconds or so, and at once when something has changed, but
// for the one second after another.
func TestTimesOfHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		soon, sent := make(chan struct{}, 1), make(chan time.Time, 1000)
		go beat(ctx, soon, func() { sent <- time.Now() })
		last := time.Now()
		var gaps []time.Duration
		for range 300 {
			at := <-sent
			gaps = append(gaps, at.Sub(last))
			last = at
		}
		if least, most := slices.Min(gaps), slices.Max(gaps[1:]); least < beatEvery*9/10 || most > beatEvery*11/10+beatGap {
			t.Errorf("after %s to %s", least, most)
		}
		time.Sleep(2 * time.Second)
		for range 5 {
			soon <- struct{}{}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			at := <-sent
			if got := time.Since(at); got > 1 {
				t.Errorf("sent %s after the change", got)
			}
			time.Sleep(beatGap / 2)
			soon <- struct{}{} // meanwhile
			if got := (<-sent).Sub(at); got != beatGap {
				t.Errorf("sent %s after the last", got)
			}
			time.Sleep(beatGap)
		}
		cancel()
	})
}

// TestRunsCountUp, whatever happens to the clock and to the datastore.
func TestRunsCountUp(t *testing.T) {
	now := time.Unix(2_000_000_000, 0)
	for last, want := range map[string]int64{
		"": now.Unix(), "1999999999": now.Unix(), "2000000000": now.Unix() + 1, "3000000000": 3_000_000_001, "what is this?": now.Unix(),
	} {
		if got := nextRun(last, now); got != want {
			t.Errorf("after %s: %d", last, got)
		}
	}
}

func beatOf(run, seq, free int64) *heartbeatMsg {
	m, err := readHeartbeat(fmt.Appendf(nil, `{"format":1,"run":%d,"seq":%d,"capacity":7,"free":%d}`, run, seq, free))
	if err != nil {
		panic(err)
	}
	return m
}

// met is a roster with a member.
func met(id peer.ID) *roster {
	r := newRoster("self")
	r.subscribed(id, true, true)
	return r
}

func (r *roster) free(id peer.ID) int64 {
	if m := r.members()[0]; m.ID == id && m.Heartbeat != nil {
		return m.Heartbeat.Free
	}
	return -1
}

// TestHeartbeatsInOrder: one that is sent again, or was overtaken, changes nothing. In a hello
// another run counts also when its number is lower.
func TestHeartbeatsInOrder(t *testing.T) {
	r := met("m")
	for i, c := range []struct{ run, seq, free, want int64 }{
		{5, 3, 100, 100}, {5, 3, 101, 100}, {5, 2, 102, 100}, {4, 9, 103, 100}, {5, 5, 104, 104}, {6, 1, 105, 105}, {5, 8, 106, 105},
	} {
		r.beat("m", beatOf(c.run, c.seq, c.free), time.Now())
		if got := r.free("m"); got != c.want {
			t.Errorf("%d: %d, not %d", i, got, c.want)
		}
	}
	for i, c := range []struct{ run, seq, free, want int64 }{
		{6, 1, 200, 105}, {6, 0, 201, 105}, {6, 2, 202, 202}, {3, 1, 203, 203}, {9, 1, 204, 204},
	} {
		r.said("m", words{beat: beatOf(c.run, c.seq, c.free)})
		if got := r.free("m"); got != c.want {
			t.Errorf("hello %d: %d, not %d", i, got, c.want)
		}
	}
	r.said("m", words{})
	if got := r.free("m"); got != -1 || !slices.Equal(r.stale(time.Now()), []peer.ID{"m"}) {
		t.Errorf("an earlier release says %d", got)
	}
}

// TestFreeSpaceAloneIsNotWrittenDown: heartbeats are no load on the disk.
func TestFreeSpaceAloneIsNotWrittenDown(t *testing.T) {
	r, now := met("m"), time.Now()
	writes := func(m *heartbeatMsg) bool {
		r.beat("m", m, now)
		stale := len(r.stale(now)) > 0
		r.saving("m", now)
		return stale
	}
	if !writes(beatOf(1, 1, 10)) || writes(beatOf(1, 2, 20)) || writes(beatOf(2, 1, 10)) {
		t.Error("the first is written, and those that say nothing new are not")
	}
	for i, change := range []func(*heartbeatMsg){
		func(m *heartbeatMsg) { m.Draining = true }, func(m *heartbeatMsg) { m.Draining = false }, func(m *heartbeatMsg) { *m.Capacity = 1 },
		func(m *heartbeatMsg) { m.Zone = "z" }, func(m *heartbeatMsg) { m.Version = "v" }, func(m *heartbeatMsg) { m.Name = "n" },
		func(m *heartbeatMsg) { m.Caps = []string{"c"} },
	} {
		m := beatOf(3, int64(i), 10)
		if last := r.records["m"].beat; i > 0 {
			m.Capacity, m.Zone, m.Version, m.Name, m.Caps = last.Capacity, last.Zone, last.Version, last.Name, last.Caps
			c := *last.Capacity
			m.Capacity = &c
		}
		if change(m); !writes(m) {
			t.Errorf("change %d is not written", i)
		}
	}
}

// TestTooManyHeartbeats of one member are not read; those of others are.
func TestTooManyHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := met("m")
		r.subscribed("other", true, true)
		for range maxBeats {
			if known, often := r.mayBeat("m"); !known || often {
				t.Fatal("not even those of a member that has much to say are read")
			}
		}
		for range 100 {
			if _, often := r.mayBeat("m"); !often {
				t.Fatal("all are read")
			}
		}
		if _, often := r.mayBeat("other"); often {
			t.Error("one member has kept another from being heard")
		}
		time.Sleep(beatGap)
		if _, often := r.mayBeat("m"); often {
			t.Error("it is never heard again")
		}
		r.heard(near, "named", parseAddrs([]string{"/ip4/127.0.0.1/tcp/1"}), nil, nil)
		for _, id := range []peer.ID{"nobody", "named"} {
			if known, _ := r.mayBeat(id); known {
				t.Errorf("%s was no member", id)
			}
			r.beat(id, beatOf(1, 1, 1), time.Now())
		}
		if e := r.records["named"]; e == nil || e.beat != nil || r.records["nobody"] != nil {
			t.Error("the heartbeat of one that was no member is kept")
		}
	})
}

// TestMalformedHeartbeats are not taken; of one that is well-formed what cannot be shown counts
// as not said.
func TestMalformedHeartbeats(t *testing.T) {
	for _, b := range []string{
		"", "{}", "[]", `{"format":1}`, `{"format":0,"capacity":1}`, `{"format":1,"capacity":-1}`, `{"format":1,"capacity":"much"}`,
		`{"format":1,"capacity":1e300}`, `{"format":1,"capacity":1,"run":-1}`, `{"format":1,"capacity":1,"seq":-1}`,
		`{"format":1,"capacity":1,"x":"` + strings.Repeat("x", maxHeartbeat) + `"}`,
	} {
		if m, err := readHeartbeat([]byte(b)); err == nil {
			t.Errorf("%.60s is %+v", b, m)
		}
	}
	m, err := readHeartbeat([]byte(`{"format":3,"capacity":1,"free":-5,"zone":"a\nb","name":"\u001b[2J","version":"v9","later":[1]}`))
	if err != nil || m.Zone != "" || m.Name != "" || m.Version != "v9" || m.Free != 0 {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestLargestHeartbeatIsRead: what Config allows fits.
func TestLargestHeartbeatIsRead(t *testing.T) {
	p := &Peer{roster: newRoster("self"), cfg: Config{
		Name: strings.Repeat("n", MaxName), Version: strings.Repeat("v", MaxName), Zone: strings.Repeat("z", MaxName), Capacity: 1 << 62,
		Changing: func() Changing { return Changing{Free: 1 << 62, Draining: true} },
	}}
	for i := range maxCapabilities {
		p.cfg.Capabilities = append(p.cfg.Capabilities, fmt.Sprintf("%0*d", maxCapability, i))
	}
	b := p.heartbeat()
	m, err := readHeartbeat(b)
	if err != nil || len(m.Caps) != maxCapabilities || m.Seq != 1 || !m.Draining {
		t.Errorf("%d bytes: %v", len(b), err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(p.heartbeat(), &fields); err != nil || string(fields["seq"]) != "2" {
		t.Errorf("%s, %v", fields, err)
	}
}
