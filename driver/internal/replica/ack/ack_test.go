package ack

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
)

const timeout = 30 * time.Second

var (
	errFull   = errors.New("its disk is full")
	errBroken = errors.New("the connection broke")
)

// swarm is members that answer as a test has them answer.
type swarm struct {
	t      *testing.T
	self   place.Member
	others []place.Member
	away   int // more that are known
	going  []peer.ID
	here   bool

	mu      sync.Mutex
	answers map[peer.ID]func(ctx context.Context, taken func()) error // nil: it keeps the blob at once
	asked   []heard
	logs    *test.Hook
	acks    *Acks

	file    string    // that may grow; "": none
	taking  []peer.ID // who was asked to take it
	whole   int64
	stopped bool
}

// heard is a question that a member got.
type heard struct {
	id    peer.ID
	ref   dag.Ref
	token string
	heads int
	at    time.Duration
}

func newSwarm(t *testing.T, copies, others int) *swarm {
	s := &swarm{t: t, self: member(0), here: true, answers: map[peer.ID]func(context.Context, func()) error{}}
	for i := range others {
		s.others = append(s.others, member(i+1))
	}
	logger, hook := test.NewNullLogger()
	s.logs = hook
	began := time.Now()
	s.acks = New(Config{
		Copies: copies, Timeout: timeout, Log: logrus.NewEntry(logger),
		Members: func() Members {
			return Members{Self: s.self, Here: slices.Clone(s.others), Draining: s.going, Known: len(s.others) + len(s.going) + s.away}
		},
		Declined: func(err error) bool { return errors.Is(err, errFull) },
		Here:     func(dag.Ref) bool { return s.here },
		Ask: func(ctx context.Context, id peer.ID, ref dag.Ref, token string, heads []cid.Cid, taken func()) error {
			s.mu.Lock()
			s.asked = append(s.asked, heard{id, ref, token, len(heads), time.Since(began)})
			answer := s.answers[id]
			s.mu.Unlock()
			if len(heads) == 0 {
				<-ctx.Done()
				return ctx.Err()
			}
			if answer == nil {
				return nil
			}
			return answer(ctx, taken)
		},
		Grow: func(file string) (string, func(int64), func(), error) {
			if s.file == "" {
				return "", nil, nil, errBroken
			}
			return "the token of " + file, func(size int64) { s.whole = size }, func() { s.stopped = true }, nil
		},
		Take: func(ctx context.Context, id peer.ID, token string, size int64) error {
			s.mu.Lock()
			s.taking = append(s.taking, id)
			s.mu.Unlock()
			<-ctx.Done()
			return ctx.Err()
		},
	})
	t.Cleanup(s.acks.Close)
	return s
}

func member(i int) place.Member {
	key := sha256.Sum256(fmt.Append(nil, "member ", i))
	return place.Member{ID: peer.ID("\x00$\x08\x01\x12 " + string(key[:])), Capacity: 1e12}
}

func refOf(i int, size int64) dag.Ref {
	sum := sha256.Sum256(fmt.Append(nil, "blob ", i))
	mh, err := multihash.Encode(sum[:], multihash.SHA2_256)
	if err != nil {
		panic(err)
	}
	return dag.Ref{CID: cid.NewCidV1(cid.Raw, mh), Size: size}
}

func blobOf(i int, size int64) Blob { return Blob{Ref: refOf(i, size)} }

var heads = []cid.Cid{refOf(-1, 0).CID}

// order is that in which members are asked for the blob 1.
func (s *swarm) order() []peer.ID {
	return candidates(Members{Self: s.self, Here: s.others}, blobOf(1, 0))
}

// await asks for the blob 1.
func (s *swarm) await(size int64) error {
	return s.acks.Push().Await(s.t.Context(), []Blob{blobOf(1, size)}, heads)
}

// ids are those that were asked, in this order.
func (s *swarm) ids() (ids []peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.asked {
		ids = append(ids, q.id)
	}
	return ids
}

// silent says nothing until it is no longer waited for.
func silent(ctx context.Context, _ func()) error { <-ctx.Done(); return ctx.Err() }

// within answers after a while, and says at once that it is at work.
func within(d time.Duration, err error) func(context.Context, func()) error {
	return func(ctx context.Context, taken func()) error {
		taken()
		select {
		case <-time.After(d):
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func fails(err error) func(context.Context, func()) error {
	return func(context.Context, func()) error { return err }
}

func play(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

func TestOneDiskAsksNobody(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newSwarm(t, 1, 2)
		s.acks.Ahead(blobOf(1, 1))()
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
	m := Members{Self: member(0)}
	for i, capacity := range []int64{place.Unknown, 0, 1e12, 1e12, 1e12} {
		of := member(i + 1)
		of.Capacity = capacity
		m.Here = append(m.Here, of)
	}
	for i := range 20 {
		b := blobOf(i, 0)
		keepers := place.NewView(append(slices.Clone(m.Here), m.Self)).Keepers(nil, b.CID, place.All)
		want := append(slices.DeleteFunc(keepers, func(id peer.ID) bool { return id == m.Self.ID }), m.Here[1].ID, m.Here[0].ID)
		if got := candidates(m, b); !slices.Equal(got, want) {
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

// TestEachBlobOfAPushIsAskedFor, and what lies in its CID is not, unless there is nothing else.
func TestEachBlobOfAPushIsAskedFor(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newSwarm(t, 2, 1)
		small, ok := dag.Identity([]byte("sha256:…"))
		if !ok {
			t.Fatal("not in its CID")
		}
		link := Blob{Ref: dag.Ref{CID: small, Size: 10}}
		if err := s.acks.Push().Await(t.Context(), []Blob{blobOf(1, 1), link, blobOf(2, 1)}, heads); err != nil || len(s.ids()) != 2 {
			t.Fatal(err, s.ids())
		}
		if err := s.acks.Push().Await(t.Context(), []Blob{link, link}, heads); err != nil || len(s.ids()) != 3 {
			t.Fatal(err, s.ids())
		}
	})
}

// TestAheadHoldsUntilItIsDone, at those that are asked first later.
func TestAheadHoldsUntilItIsDone(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newSwarm(t, 3, 4)
		done := s.acks.Ahead(blobOf(1, 1))
		synctest.Wait()
		got, want := s.ids(), s.order()[:2]
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || s.asked[0].heads != 0 {
			t.Errorf("asked %s, not %s", got, want)
		}
		done()
		s.acks.Close() // waits for those that were asked
		s.acks.Ahead(blobOf(1, 1))()
		if len(s.ids()) != 2 {
			t.Error("asked after Close")
		}
	})
}

// TestAClientThatHangsUp is not waited for, and is no refusal.
func TestAClientThatHangsUp(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newSwarm(t, 2, 1)
		s.answers[s.others[0].ID] = silent
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := s.acks.Push().Await(ctx, []Blob{blobOf(1, 1)}, heads)
		if !errors.Is(err, context.DeadlineExceeded) || s.acks.State() != (State{Copies: 2}) {
			t.Fatal(err, s.acks.State())
		}
	})
}

// TestARefusalIsLoggedOnce, until pushes are taken again.
func TestARefusalIsLoggedOnce(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newSwarm(t, 2, 1)
		s.answers[s.others[0].ID] = fails(errFull)
		for range 3 {
			if err := s.await(1); err == nil {
				t.Fatal("not refused")
			}
		}
		if n := len(s.logs.AllEntries()); n != 1 || s.logs.LastEntry().Level != logrus.WarnLevel {
			t.Errorf("logged %d times", n)
		}
		s.answers[s.others[0].ID] = nil
		for range 2 {
			if err := s.await(1); err != nil {
				t.Fatal(err)
			}
		}
		if st := s.acks.State(); len(s.logs.AllEntries()) != 2 || st.Last != nil || st.Given != 2 || st.Refused != 3 {
			t.Errorf("%+v", st)
		}
	})
}

// TestWhoTookAnUploadIsAskedFirst, and told which upload became the blob.
func TestWhoTookAnUploadIsAskedFirst(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newSwarm(t, 2, 4)
		s.file = "f"
		for range 10 { // another member nearly each time
			early := s.acks.Early("f", 100)
			synctest.Wait()
			b := blobOf(1, 1)
			b.Early = early
			early.Whole(100)
			done := s.acks.Ahead(b)
			if err := s.acks.Push().Await(t.Context(), []Blob{b}, heads); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			took := s.taking[len(s.taking)-1]
			for _, q := range s.asked {
				if q.id != took || q.token != "the token of f" {
					t.Errorf("%s took it, and %s was asked, for %q", took, q.id, q.token)
				}
			}
			done()
			early.Stop()
			if len(s.asked) != 2 || s.whole != 100 || !s.stopped {
				t.Errorf("%d questions, %d bytes, stopped: %v", len(s.asked), s.whole, s.stopped)
			}
			s.asked, s.whole, s.stopped = nil, 0, false
		}
	})
}

// TestNobodyTakesAnUpload of which most likely another member is to be the keeper, nor where one
// disk is enough.
func TestNobodyTakesAnUpload(t *testing.T) {
	play(t, func(t *testing.T) {
		for _, c := range []struct {
			copies, keepers, others int
			want                    bool
		}{
			{2, 2, 1, true}, {2, 2, 4, true}, {2, 2, 5, false}, {3, place.All, 9, true}, {2, 0, 9, true}, {1, 2, 1, false}, {2, 2, 0, false},
		} {
			s := newSwarm(t, c.copies, c.others)
			s.file, s.acks.cfg.Keepers = "f", c.keepers
			early := s.acks.Early("f", 0)
			if (early != nil) != c.want {
				t.Errorf("%+v: %v", c, early)
			}
			early.Whole(1)
			early.Stop()
		}
		s := newSwarm(t, 2, 1)
		if s.acks.Early("f", 0) != nil {
			t.Error("there is no such file")
		}
	})
}
