package ack

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

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
		done := s.acks.Ahead(t.Context(), blobOf(1, 1))
		synctest.Wait()
		got, want := s.ids(), s.order()[:2]
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || s.asked[0].heads != 0 {
			t.Errorf("asked %s, not %s", got, want)
		}
		done()
		s.acks.Close() // waits for those that were asked
		s.acks.Ahead(t.Context(), blobOf(1, 1))()
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
