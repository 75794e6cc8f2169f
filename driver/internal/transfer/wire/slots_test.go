package wire

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// TestSlowReadersGiveWay shows that members that take next to nothing of what they asked for are
// cut when they hold all slots, but only then, only after a while, and none that takes its bytes.
func TestSlowReadersGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ranks := map[string]limit.Rank{}
		var budget *limit.Budget
		s := serve(t, blobs(func(context.Context, *BlobRequest) (io.ReadSeekCloser, error) {
			return body{strings.NewReader(strings.Repeat("x", 1<<20))}, nil
		}), func(cfg *ServerConfig) {
			budget = limit.NewBudget(limit.Machine{Memory: 1 << 28, Descriptors: 1024}, logrus.NewEntry(cfg.Log.Logger))
			cfg.Budget = budget
			cfg.Source = func(remote string) limit.Source {
				rank, ok := ranks[remote]
				if !ok {
					rank = limit.Trusted
				}
				return limit.Source{Peer: peer.ID(remote), Rank: rank}
			}
		})
		ask := func(from peer.ID) net.Conn {
			c := s.by(t, from)
			_, err := fmt.Fprintf(c, "GET /v1/blobs/%s HTTP/1.1\r\nHost: x\r\n\r\n", cidOf(t, "a"))
			require.NoError(t, err)
			synctest.Wait()
			return c
		}
		status := func(c net.Conn) int {
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			require.NoError(t, err)
			return resp.StatusCode
		}
		honest := ask("honest")
		read := make(chan int64)
		go func() { // 64 KiB/s
			var n int64
			for {
				got, err := io.CopyN(io.Discard, honest, 16<<10)
				if n += got; err != nil || n > 1<<20 {
					read <- n
					return
				}
				time.Sleep(250 * time.Millisecond)
			}
		}()
		// All of an untrusted member's, and then all that there are.
		ranks[peer.ID("untrusted").String()] = limit.Member
		for range 32 {
			ask("untrusted")
		}
		for i := range 8 {
			for range 64 {
				ask(peer.ID(fmt.Sprint("identity ", i)))
			}
		}
		require.Equal(t, http.StatusServiceUnavailable, status(ask(member)))
		require.Zero(t, slowReaders(budget), "some were cut at once")
		time.Sleep(leastTime)
		require.Equal(t, http.StatusOK, status(func() net.Conn { ask(member); return ask(member) }()))
		require.Greater(t, slowReaders(budget), int64(400))
		require.Greater(t, <-read, int64(1<<20))
		require.NoError(t, s.Server.Server.Close()) // what still waits for its readers
	})
}

func slowReaders(b *limit.Budget) (n int64) {
	for _, r := range b.Refused() {
		if r.What == limit.SlowReaders {
			n += r.Count
		}
	}
	return n
}

// TestSlotsByRank shows that an untrusted member that takes all that it may leaves the others
// theirs.
func TestSlotsByRank(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		s := serve(t, blobs(func(context.Context, *BlobRequest) (io.ReadSeekCloser, error) {
			<-free
			return nil, ErrGone
		}), func(cfg *ServerConfig) {
			cfg.Budget = limit.NewBudget(limit.Machine{Memory: 1 << 28, Descriptors: 1024}, logrus.NewEntry(cfg.Log.Logger))
			cfg.Source = func(remote string) limit.Source {
				rank := limit.Member
				if remote == member.String() {
					rank = limit.Trusted
				}
				return limit.Source{Peer: peer.ID(remote), Rank: rank}
			}
		})
		begin := func(from peer.ID) net.Conn {
			c := s.by(t, from)
			_, err := fmt.Fprintf(c, "HEAD /v1/blobs/%s HTTP/1.1\r\nHost: x\r\n\r\n", cidOf(t, "a"))
			require.NoError(t, err)
			synctest.Wait()
			return c
		}
		status := func(c net.Conn) int {
			resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: http.MethodHead})
			require.NoError(t, err)
			return resp.StatusCode
		}
		for i := range 32 { // half of the slots are for trusted members
			for range 16 {
				begin(peer.ID(fmt.Sprint("untrusted ", i)))
			}
		}
		require.Equal(t, http.StatusServiceUnavailable, status(begin("another")))
		c := begin(member)
		close(free)
		require.Equal(t, http.StatusNotFound, status(c))
	})
}

// TestAnUploadIsTakenForAnHour, at most: its client may be slow.
func TestAnUploadIsTakenForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waits := make(chan time.Duration, 1)
		s := serve(t, Answers{Take: func(_ context.Context, q *TakeRequest) error { waits <- q.Wait; return nil }})
		for asked, want := range map[string]time.Duration{"59m": 59 * time.Minute, "2h": time.Hour} {
			_, err := fmt.Fprintf(s.by(t, member), "POST /v1/uploads/x/take?size=0&wait=%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", asked)
			require.NoError(t, err)
			require.Equal(t, want, <-waits)
		}
	})
}

// TestEarlyUploadsAreBounded: those of one member, and they are counted when they are too many.
func TestEarlyUploadsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var budget *limit.Budget
		free := make(chan struct{})
		s := serve(t, Answers{Take: func(context.Context, *TakeRequest) error { <-free; return nil }}, func(cfg *ServerConfig) {
			budget = cfg.Budget
			cfg.Source = func(remote string) limit.Source { return limit.Source{Peer: peer.ID(remote), Rank: limit.Trusted} }
		})
		status := func(from peer.ID) <-chan int {
			c, got := s.by(t, from), make(chan int, 1)
			_, err := fmt.Fprint(c, "POST /v1/uploads/x/take?size=0&wait=1m HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
			require.NoError(t, err)
			go func() {
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err == nil {
					got <- resp.StatusCode
				}
			}()
			synctest.Wait()
			return got
		}
		var taken []<-chan int
		for range 16 {
			taken = append(taken, status(member))
		}
		require.Equal(t, http.StatusTooManyRequests, <-status(member))
		taken = append(taken, status("another"))
		require.Contains(t, budget.Refused(), limit.Refusals{What: limit.EarlyUploads, Rank: limit.Trusted, Count: 1})
		close(free)
		for _, got := range taken {
			require.Equal(t, http.StatusNoContent, <-got)
		}
	})
}
