package fetch

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/crew"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/holders"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

const holder peer.ID = "\x00\x06holder"

// one is a swarm of one member, which listens at addr.
type one struct{ addr string }

func (s one) Dial(ctx context.Context, _ peer.ID, _ protocol.ID) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", s.addr)
}

func (one) DialData(context.Context, peer.ID) (net.Conn, error) { return nil, net.ErrClosed }
func (one) HasData(peer.ID) bool                                { return false }

// fetching makes the Fetcher of a registry with a disk of its own. The only other member has the
// blobs of the given store. Each request to it is passed to before first.
func fetching(t *testing.T, of *blob.Store, before func(*http.Request)) *Fetcher {
	t.Helper()
	logger, _ := test.NewNullLogger()
	log := logrus.NewEntry(logger)
	answers := wire.NewServer(wire.ServerConfig{Log: log, Send: time.Minute, Admits: func(string) bool { return true },
		Source: func(string) limit.Source { return limit.Source{Rank: limit.Trusted} },
		Budget: limit.NewBudget(limit.ThisMachine(), log), Answers: wire.Answers{
			Blob:  func(_ context.Context, q *wire.BlobRequest) (io.ReadSeekCloser, error) { return of.Open(q.CID) },
			Block: of.InnerBlock,
		}})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before(r)
		answers.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	timing := TimingFor(time.Minute)
	client := wire.NewClient(ctx, one{s.Listener.Addr().String()}, timing.Ask, Pieces)
	t.Cleanup(client.Close)
	known := holders.New(ctx, holders.Config{
		Connected: func() []peer.ID { return []peer.ID{holder} }, Client: client, Ask: timing.Ask, Grace: timing.Grace, Grudge: time.Minute,
		Trusts: func(peer.ID) bool { return true },
	})
	t.Cleanup(known.Close)
	blobs, _ := store(t)
	return New(ctx, Config{
		Self: "self", Blobs: blobs, Client: client, Holders: known, Crew: crew.New(crew.Seats), Timing: timing, Log: log,
		Doubt: func(peer.ID, cid.Cid, int) { t.Error("a sound copy is doubted") },
	})
}

// boast makes the holder seem fast beyond measure.
type boast struct{}

func (boast) apply(c *coordinator) { c.roster.Measured(holder, 1<<40, time.Second) }

// maxAhead is how many leaves may be on their way at once.
const maxAhead = 60

// TestLeavesOnTheirWayAreBounded shows that no more leaves are on their way than maxAhead, however
// fast the holder seems to be.
func TestLeavesOnTheirWayAreBounded(t *testing.T) {
	t.Parallel()
	const leaves = maxAhead + 30
	from, _ := store(t)
	ref, err := from.Put(t.Context(), random(82, leaves*mib))
	require.NoError(t, err)
	var mu sync.Mutex
	var j *Job
	asked, most := bitset.New(leaves), 0 // a set, because some leaves are requested twice
	f := fetching(t, from, func(r *http.Request) {
		var from, to int64
		if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); n == 2 && !strings.HasPrefix(r.URL.Path, "/v1/blocks/") {
			mu.Lock()
			for i := dag.LeafAt(from); i <= dag.LeafAt(to); i++ {
				asked.Add(i)
			}
			for i, here := range j.Verified() {
				asked[i] &^= here
			}
			most = max(most, asked.Count())
			mu.Unlock()
			j.send(boast{}) // so that each run is as long as it may be
		}
	})
	j = f.New(ref, Purpose{Leaf: -1})
	j.Run(func(e End) error { return e.Cause })
	require.NoError(t, j.Err())
	require.LessOrEqual(t, most, maxAhead)
	require.Greater(t, most, schedule.MaxRun, "too little was requested at once to test the bound")
}
