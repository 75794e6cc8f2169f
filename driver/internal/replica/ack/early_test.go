package ack

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
)

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
			done := s.acks.Ahead(t.Context(), b)
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

// TestAnUploadIsLetGo when all who take it have given up, though its client never ends it: its file,
// while it is open, stays on the disk.
func TestAnUploadIsLetGo(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newSwarm(t, 3, 3)
		s.file = "f"
		gone := make(chan struct{})
		s.acks.cfg.Take = func(_ context.Context, id peer.ID, _ string, _ int64) error {
			s.mu.Lock()
			s.taking = append(s.taking, id)
			first := len(s.taking) == 1
			s.mu.Unlock()
			if !first {
				<-gone
			}
			return errBroken
		}
		early := s.acks.Early("f", 0)
		synctest.Wait()
		if len(s.taking) != 2 || s.stopped || early.Over() {
			t.Fatalf("%d take it, stopped: %v", len(s.taking), s.stopped)
		}
		close(gone)
		synctest.Wait()
		if !s.stopped || !early.Over() {
			t.Error("nobody reads it, and it is still open")
		}
	})
}
