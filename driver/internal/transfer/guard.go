package transfer

import (
	"context"
	"io"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// guard is a holder's stream. It is cut when no byte comes for a while, and when a leaf
// takes long while another holder could send it.
type guard struct {
	j             *job
	run           *run
	body          io.Reader
	silence, slow *time.Timer
}

// newGuard also guards the request that comes before the body.
func newGuard(j *job, r *run, cut context.CancelCauseFunc) *guard {
	return &guard{
		j: j, run: r,
		silence: time.AfterFunc(r.silence(j.t.timing), func() { cut(wire.ErrSilent) }),
		slow: time.AfterFunc(j.t.timing.slow, func() {
			if leaf, ok := j.plan.head(r); ok && j.roster.faster(r.id, leaf, r.rate()) {
				cut(errSlow)
			}
		}),
	}
}

// silence is how long the first byte may take.
func (r *run) silence(p timing) time.Duration {
	if r.patience > 0 {
		return r.patience * 3 / 2
	}
	return p.silence
}

// begin notes that a leaf begins.
func (g *guard) begin() { g.slow.Reset(g.j.t.timing.slow) }

// Read implements io.Reader. Only waiting for bytes counts as silence, not the time in
// which they are processed.
func (g *guard) Read(b []byte) (int, error) {
	g.silence.Reset(g.j.t.timing.silence)
	n, err := g.body.Read(b)
	g.silence.Stop()
	if n > 0 {
		g.run.came(n)
		g.j.flows()
	}
	g.j.received(n)
	return n, err
}

func (g *guard) stop() {
	g.silence.Stop()
	g.slow.Stop()
}
