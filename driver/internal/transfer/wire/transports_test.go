package wire

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

// TestADataPortThatFailedIsAvoided shows that it is avoided longer each time, up to a bound, until
// it carries something.
func TestADataPortThatFailedIsAvoided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		swarm := newPipes()
		swarm.data = func(context.Context) (net.Conn, error) { return nil, errRefused }
		r := &transports{swarm: swarm, avoid: map[peer.ID]*avoided{}}
		fail := func() (avoided time.Duration) {
			for range 3 { // requests that fail at once
				r.fell(member)
			}
			for ; !r.usesData(member); avoided += time.Second {
				time.Sleep(time.Second)
			}
			return avoided
		}
		// The backoff is up to a half shorter or longer, at random.
		require.True(t, r.usesData(member))
		require.LessOrEqual(t, fail(), avoidFirst*3/2+time.Second)
		var longest time.Duration
		for range 30 {
			longest = max(longest, fail())
		}
		require.Greater(t, longest, avoidMost*4/5)
		require.LessOrEqual(t, longest, avoidMost*3/2+time.Second)
		r.fell(member)
		r.held(member)
		require.True(t, r.usesData(member))
		require.LessOrEqual(t, fail(), avoidFirst*3/2+time.Second)
	})
}

// TestWaysToAMember shows that a member is asked at its data port, and over a stream when that is
// closed or mute, within the time that a member has for an answer.
func TestWaysToAMember(t *testing.T) {
	for name, way := range map[string]struct {
		data   func(*served) func(context.Context) (net.Conn, error)
		byData bool
		took   time.Duration
	}{
		"no data port": {data: func(*served) func(context.Context) (net.Conn, error) { return nil }},
		"an open one": {byData: true, data: func(s *served) func(context.Context) (net.Conn, error) {
			return func(ctx context.Context) (net.Conn, error) { return s.streams.dial(ctx, self) }
		}},
		"a closed one": {data: func(*served) func(context.Context) (net.Conn, error) {
			return func(context.Context) (net.Conn, error) { return nil, errRefused }
		}},
		"a mute one": {took: time.Second, data: func(*served) func(context.Context) (net.Conn, error) {
			return func(ctx context.Context) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, blobs(func(context.Context, *BlobRequest) (io.ReadSeekCloser, error) {
					return body{strings.NewReader("0123456789")}, nil
				}))
				s.data = way.data(s)
				begin := time.Now()
				span, err := s.client.Span(t.Context(), member, cidOf(t, "a"), 3, 7, Terms{})
				require.NoError(t, err)
				_, err = io.ReadAll(span)
				require.NoError(t, err)
				require.NoError(t, span.Close())
				require.Equal(t, way.took, time.Since(begin))
				require.Equal(t, way.byData, s.client.UsesData(member))
				require.Equal(t, way.byData, s.client.DataIn() == 4)
			})
		})
	}
}

// TestFewFailuresAreRemembered shows that members which come with a data port that fails, and go,
// leave nothing behind.
func TestFewFailuresAreRemembered(t *testing.T) {
	r := &transports{avoid: map[peer.ID]*avoided{}}
	for i := range 2*maxAvoided + 10 {
		r.fell(peer.ID(fmt.Sprint(i)))
	}
	require.LessOrEqual(t, len(r.avoid), maxAvoided)
	require.Contains(t, r.avoid, peer.ID(fmt.Sprint(2*maxAvoided+9)))
}

// TestASilentDataPortIsAvoided shows that a data port is avoided when it accepts a request and
// never answers.
func TestASilentDataPortIsAvoided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, blobs(func(ctx context.Context, _ *BlobRequest) (io.ReadSeekCloser, error) {
			<-ctx.Done()
			return nil, ErrGone
		}))
		s.data = func(ctx context.Context) (net.Conn, error) { return s.streams.dial(ctx, self) }
		for cause, avoided := range map[error]bool{context.Canceled: false, ErrSilent: true} {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(cause) })
			_, err := s.client.Span(ctx, member, cidOf(t, "a"), 3, 7, Terms{})
			require.ErrorIs(t, Because(ctx, member, err), cause)
			require.Equal(t, avoided, !s.client.UsesData(member))
			time.Sleep(avoidMost)
		}
	})
}
