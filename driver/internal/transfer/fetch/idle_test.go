package fetch

import (
	"io"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/crew"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/holders"
)

const mib = 1 << 20

// idleFetcher makes the Fetcher of a registry that has neither a disk nor members, for a bubble of
// testing/synctest.
func idleFetcher(t testing.TB) *Fetcher {
	t.Helper()
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	return alone(t, Config{Self: "self", Timing: TimingFor(time.Minute), Log: logrus.NewEntry(logger)})
}

// alone makes the Fetcher of a registry without members.
func alone(t testing.TB, cfg Config) *Fetcher {
	t.Helper()
	cfg.Crew = crew.New(crew.Seats)
	cfg.Holders = holders.New(t.Context(), holders.Config{Connected: func() []peer.ID { return nil }, Trusts: func(peer.ID) bool { return true }})
	t.Cleanup(cfg.Holders.Close)
	return New(t.Context(), cfg)
}

// idleJob makes a job that does not run.
func idleJob(t *testing.T) *Job {
	t.Helper()
	j := idleFetcher(t).New(dag.Ref{CID: cid.NewCidV1(cid.Raw, []byte{0, 0}), Size: 9 * mib}, Purpose{Leaf: -1})
	t.Cleanup(func() { j.cancel(ErrUnread) })
	return j
}
