package transfer

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/crew"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/holders"
)

// nobody is a swarm without members.
type nobody struct{ Swarm }

func (nobody) ID() peer.ID          { return "self" }
func (nobody) Connected() []peer.ID { return nil }
func (nobody) HasData(peer.ID) bool { return true }

// idle are transfers without a disk and members, for a bubble of testing/synctest.
func idle(t *testing.T) *Transfers {
	t.Helper()
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	x := &Transfers{
		cfg: Config{Swarm: nobody{}}, log: logrus.NewEntry(logger), timing: timingFor(time.Minute), jobs: map[cid.Cid]*job{}, crew: crew.New(crew.Seats),
	}
	x.ctx, x.cancel = context.WithCancelCause(context.Background())
	x.holders = holders.New(x.ctx, holders.Config{Connected: x.cfg.Swarm.Connected})
	t.Cleanup(func() { x.cancel(ErrClosing); x.holders.Close(); x.wg.Wait() })
	return x
}

// idleJob is one of which nothing runs.
func idleJob(t *testing.T) *job {
	t.Helper()
	j := newJob(idle(t), dag.Ref{CID: rawCID(t), Size: 9 * mib}, purpose{leaf: -1})
	t.Cleanup(func() { j.cancel(errUnread) })
	return j
}

// call is an event of tests, which look at the state of a coordinator or change it.
type call struct {
	f    func(c *coordinator)
	done chan struct{}
}

func (e call) apply(c *coordinator) {
	e.f(c)
	close(e.done)
}

// inside calls f as the coordinator of a job that is under way.
func (j *job) inside(t *testing.T, f func(c *coordinator)) {
	t.Helper()
	e := call{f, make(chan struct{})}
	require.True(t, j.send(e), "the transfer has ended")
	<-e.done
}
