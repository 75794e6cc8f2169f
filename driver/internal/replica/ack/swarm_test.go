package ack

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
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
	return new(lineup).candidates(Members{Self: s.self, Here: s.others}, blobOf(1, 0))
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
