package peer

import (
	"context"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
)

// newLoner makes a peer without a host, for a bubble of testing/synctest: it sees no network,
// and the roster is told what happens. What it logs bears the bubble's time.
func newLoner(t *testing.T) (*Peer, *test.Hook) {
	t.Helper()
	logger, log := test.NewNullLogger()
	logger.SetLevel(logrus.DebugLevel)
	p := &Peer{log: logrus.NewEntry(logger), roster: newRoster("self")}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	t.Cleanup(func() { p.cancel(); p.own.Wait() })
	return p, log
}
