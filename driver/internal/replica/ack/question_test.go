package ack

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
)

func TestOneDiskAsksNobody(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newSwarm(t, 1, 2)
		s.acks.Ahead(t.Context(), blobOf(1, 1))()
		if err := s.await(1); err != nil || len(s.ids()) > 0 || s.acks.State() != (State{Copies: 1}) {
			t.Fatal(err, s.ids(), s.acks.State())
		}
	})
}

func TestTheFirstInOrderAreAsked(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newSwarm(t, 3, 5)
		if err := s.await(1); err != nil {
			t.Fatal(err)
		}
		got, want := s.ids(), s.order()[:2]
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || s.acks.State().Given != 1 {
			t.Errorf("asked %s, not %s; %+v", got, want, s.acks.State())
		}
	})
}

// TestTheOrder: the keepers of the blob, the others that keep blobs, those that keep none, and then
// those that have not said it.
func TestTheOrder(t *testing.T) {
	m, line := Members{Self: member(0)}, new(lineup)
	for i, capacity := range []int64{place.Unknown, 0, 1e12, 1e12, 1e12} {
		of := member(i + 1)
		of.Capacity = capacity
		m.Here = append(m.Here, of)
	}
	for i := range 20 {
		b := blobOf(i, 0)
		keepers := place.NewView(append(slices.Clone(m.Here), m.Self)).Keepers(nil, b.CID, place.All)
		want := append(slices.DeleteFunc(keepers, func(id peer.ID) bool { return id == m.Self.ID }), m.Here[1].ID, m.Here[0].ID)
		if got := line.candidates(m, b); !slices.Equal(got, want) {
			t.Errorf("blob %d: %s, not %s", i, got, want)
		}
	}
}

// TestAnotherIsAskedSoon when one says nothing, and at once when one fails.
func TestAnotherIsAskedSoon(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(context.Context, func()) error
		size   int64
		after  time.Duration
	}{
		"silent":           {silent, 1 << 30, hedge},
		"slow":             {within(time.Hour, nil), 16 << 20, hedge + 2*time.Second},
		"its disk is full": {fails(errFull), 1, 0},
		"it broke":         {fails(errBroken), 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				s := newSwarm(t, 2, 3)
				order := s.order()
				s.answers[order[0]] = c.answer
				if err := s.await(c.size); err != nil {
					t.Fatal(err)
				}
				if got := s.ids(); !slices.Equal(got, order[:2]) {
					t.Errorf("asked %s", got)
				}
				if at := s.asked[1].at; at != c.after {
					t.Errorf("after %s, not %s", at, c.after)
				}
			})
		})
	}
}

// TestOneAtWorkIsWaitedFor as long as its bytes take.
func TestOneAtWorkIsWaitedFor(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newSwarm(t, 2, 3)
		s.answers[s.order()[0]] = within(20*time.Second, nil)
		if err := s.await(1 << 30); err != nil || len(s.ids()) != 1 {
			t.Fatal(err, s.ids())
		}
	})
}

// TestOneThatFailedIsAskedAgain when there is nobody else.
func TestOneThatFailedIsAskedAgain(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newSwarm(t, 2, 1)
		id, n := s.others[0].ID, 0
		s.answers[id] = func(context.Context, func()) error {
			if n++; n < 4 {
				return errBroken
			}
			return nil
		}
		began := time.Now()
		if err := s.await(1); err != nil || n != 4 || time.Since(began) > 4*(askAgain+hedge) {
			t.Fatal(err, n, time.Since(began))
		}
	})
}

// TestNobodyIsWaitedForInVain: with too few members, or too many that decline, a push is refused
// at once, and otherwise in time.
func TestNobodyIsWaitedForInVain(t *testing.T) {
	for name, c := range map[string]struct {
		copies, others, away int
		answer               func(context.Context, func()) error
		after                time.Duration
		want                 string
		going                int
	}{
		"all are drained":              {2, 0, 0, nil, 0, "is on 1 of 2 disks: 1 of 1 other registries are being drained", 1},
		"one is drained, and one full": {2, 1, 0, fails(errFull), 0, "its disk is full; 1 of 2 other registries are being drained", 1},
		"one is drained, and one away": {2, 0, 1, nil, timeout, "1 of 2 other registries are being drained, and 1 of 2 other registries are away", 1},
		"alone":                        {2, 0, 0, nil, 0, "is on 1 of 2 disks: this registry knows 0 others that it trusts", 0},
		"too few":                      {4, 2, 0, nil, 0, "is on 1 of 4 disks: this registry knows 2 others that it trusts", 0},
		"full":                         {2, 1, 0, fails(errFull), 0, "its disk is full", 0},
		"all away":                     {2, 0, 1, nil, timeout, "is on 1 of 2 disks: 1 of 1 other registries are away", 0},
		"one silent":                   {2, 1, 0, silent, timeout, errSilent.Error(), 0},
		"one slow":                     {2, 1, 0, within(time.Hour, nil), timeout, errSilent.Error(), 0},
		"one breaks":                   {2, 1, 0, fails(errBroken), timeout, errBroken.Error(), 0},
		"one is full, and one away":    {2, 1, 1, fails(errFull), timeout, "its disk is full; 1 of 2", 0},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				s := newSwarm(t, c.copies, c.others)
				s.away = c.away
				for i := range c.going {
					s.going = append(s.going, member(100+i).ID)
				}
				for _, m := range s.others {
					s.answers[m.ID] = c.answer
				}
				began := time.Now()
				err := s.await(1)
				if lack, ok := errors.AsType[*Lack](err); !ok || !strings.Contains(lack.Error(), c.want) {
					t.Errorf("%v", err)
				}
				if took := time.Since(began); took != c.after {
					t.Errorf("after %s, not %s", took, c.after)
				}
				if st := s.acks.State(); st.Refused != 1 || st.Waiting != 0 || st.Last == nil {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// TestOneThatComesIsAsked while a push waits.
func TestOneThatComesIsAsked(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newSwarm(t, 2, 1)
		back := s.others
		var mu sync.Mutex
		s.others, s.away = nil, 1
		s.acks.cfg.Members = func() Members {
			mu.Lock()
			defer mu.Unlock()
			return Members{Self: s.self, Here: s.others, Known: 1}
		}
		go func() {
			time.Sleep(10 * time.Second)
			mu.Lock()
			defer mu.Unlock()
			s.others = back
		}()
		began := time.Now()
		if err := s.await(1); err != nil || time.Since(began) > 10*time.Second+hedge {
			t.Fatal(err, time.Since(began))
		}
	})
}

// TestABlobThatIsNotHere needs one more disk elsewhere.
func TestABlobThatIsNotHere(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newSwarm(t, 2, 2)
		s.here = false
		if err := s.await(1); err != nil || len(s.ids()) != 2 {
			t.Fatal(err, s.ids())
		}
	})
}

// TestABlobThatIsNotHereIsFetched when there are not enough others.
func TestABlobThatIsNotHereIsFetched(t *testing.T) {
	for name, c := range map[string]struct {
		copies, others, away int
		answer               func(context.Context, func()) error
		want                 string
	}{
		"one other":    {2, 1, 0, nil, ""},
		"one is away":  {3, 2, 1, nil, ""},
		"one is full":  {2, 2, 0, fails(errFull), ""},
		"no room here": {2, 1, 0, nil, errFull.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				s := newSwarm(t, c.copies, c.others)
				s.here, s.away = false, c.away
				s.answers[s.order()[0]] = c.answer
				if name == "no room here" {
					s.answers[s.self.ID] = fails(errFull)
				}
				err := s.await(1)
				if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v", err)
				}
				if !slices.Contains(s.ids(), s.self.ID) {
					t.Error("it was not fetched")
				}
			})
		})
	}
}
