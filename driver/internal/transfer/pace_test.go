package transfer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// TestAPacedTransferTakesItsTime, and the next one, however small, begins when the pace allows it.
func TestAPacedTransferTakesItsTime(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	const each = 200 * time.Millisecond
	pace := rate.NewLimiter(rate.Every(each/dag.LeafSize), dag.LeafSize)
	content := random(75, 6*mib)
	ref := a.push(content)
	began := time.Now()
	require.NoError(t, b.transfers.FetchPaced(t.Context(), ref, a.id, pace))
	require.NoError(t, pace.WaitN(t.Context(), dag.LeafSize))
	require.GreaterOrEqual(t, time.Since(began), 6*each)
	b.requirePull(ref, content)
}

// TestAReaderIsNotPaced: a client that comes to read a blob that is fetched slowly gets it at once.
func TestAReaderIsNotPaced(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	pace := rate.NewLimiter(rate.Every(time.Hour), dag.LeafSize) // the first leaf at once, and the next never
	content := random(76, 6*mib)
	ref := a.push(content)
	ended := make(chan error, 1)
	go func() { ended <- b.transfers.FetchPaced(t.Context(), ref, a.id, pace) }()
	eventually(t, func() bool {
		all := b.transfers.Running()
		return len(all) == 1 && all[0].Here > 0
	}, "nothing comes")
	b.requirePull(ref, content)
	require.NoError(t, <-ended)
}
