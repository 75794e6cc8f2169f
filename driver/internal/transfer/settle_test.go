package transfer

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// TestWhoIsAskedFirstNextTime: a holder that delivered, not one that another overtook.
func TestWhoIsAskedFirstNextTime(t *testing.T) {
	j := idleJob(t)
	c := newCoordinator(j)
	c.roster.Add("slow", nil)
	c.roster.Add("fast", nil)
	c.settle("slow", wire.Blame("slow", errOvertaken))
	require.Empty(t, j.t.holders.Last())
	c.settle("fast", nil)
	require.EqualValues(t, "fast", j.t.holders.Last())
}

// TestWhoIsInterruptedIsNotToBlame: the transfer has ended, whatever came of its orders.
func TestWhoIsInterruptedIsNotToBlame(t *testing.T) {
	j := idleJob(t)
	j.cancel(errWhole)
	c := newCoordinator(j)
	c.roster.Add("holder", nil)
	c.settle("holder", wire.Blame("holder", errors.Join(errWhole, wire.ErrLied)))
	require.NoError(t, c.last)
	require.False(t, c.roster.Failed("holder"))
}

// TestAnAnswerThatDoesNotEnd, though all that was asked for has come, holds up nobody.
func TestAnAnswerThatDoesNotEnd(t *testing.T) {
	for name, size := range map[string]int{"at once": 1000, "in pieces": mib / 2, "leaf by leaf": 3 * mib} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var town town
			a, b := town.registry(t), town.registry(t)
			content := random(int64(size), size)
			ref := a.push(content)
			serve := a.transfers.server.Handler
			a.transfers.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Range") == "" {
					serve.ServeHTTP(w, r)
					return
				}
				serve.ServeHTTP(endless{w}, r)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			})
			b.requirePull(ref, content)
		})
	}
}

// endless is an answer of which nobody knows how long it is.
type endless struct{ http.ResponseWriter }

func (e endless) WriteHeader(status int) {
	e.Header().Del("Content-Length")
	e.ResponseWriter.WriteHeader(status)
}
