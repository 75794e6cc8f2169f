package transfer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// pretends are ways to say that one has a blob, and not to send it.
var pretends = map[string]http.HandlerFunc{
	"mute": func(_ http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			<-r.Context().Done()
		}
	},
	"dripping": func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			return
		}
		var from, to int64
		if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); n == 2 {
			w.Header().Set("Content-Length", fmt.Sprint(to-from+1))
			w.WriteHeader(http.StatusPartialContent)
		}
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte{0})
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(20 * time.Millisecond):
			case <-r.Context().Done():
			}
		}
	},
	// It says that it fetches the blob, and that it has every leaf.
	"fetching": func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodHead:
			w.Header().Set("Blob-Partial", "true")
			w.WriteHeader(http.StatusNotFound)
		case strings.HasSuffix(r.URL.Path, "/have"):
			_, _ = w.Write(bitset.Full(8))
		default:
			<-r.Context().Done()
		}
	},
	"lying": func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(make([]byte, 5*mib)))
	},
}

// besieged makes a registry that holds blobs, five that pretend to, which are trusted or not, and
// one that pulls. That one waits for ever until a holder that sends nothing is given up: only
// because it asks others as well does it get anything.
func besieged(t *testing.T, pretend http.HandlerFunc, trusted bool, change ...func(*registry)) (holder, puller *registry) {
	t.Helper()
	var town town
	holder = town.registry(t)
	var bad []peer.ID
	for range 5 {
		r := town.registry(t)
		r.transfers.server.Handler = pretend
		bad = append(bad, r.id)
	}
	if !trusted {
		town.distrust(bad...)
	}
	change = append([]func(*registry){func(r *registry) { r.timing.Silence, r.timing.Slow = never, never }}, change...)
	return holder, town.registry(t, change...)
}

// eachPretence runs a test for all ways to pretend, by members that are trusted and that are not.
func eachPretence(t *testing.T, f func(t *testing.T, pretend http.HandlerFunc, trusted bool)) {
	t.Helper()
	for name, pretend := range pretends {
		for _, trusted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, trusted %v", name, trusted), func(t *testing.T) {
				t.Parallel()
				f(t, pretend, trusted)
			})
		}
	}
}

// TestMuteHolders shows that members that say they hold blobs and do not send them stop nobody,
// also when they are trusted as much as the one that does.
func TestMuteHolders(t *testing.T) {
	eachPretence(t, func(t *testing.T, pretend http.HandlerFunc, trusted bool) {
		holder, puller := besieged(t, pretend, trusted)
		for i, size := range []int{200, 900_000, 5 * mib, 5*mib + 1, 200} {
			content := random(900+int64(i), size)
			puller.requirePull(holder.push(content), content)
		}
	})
}

// TestMuteHoldersOfAStream is about a blob that cannot be kept.
func TestMuteHoldersOfAStream(t *testing.T) {
	eachPretence(t, func(t *testing.T, pretend http.HandlerFunc, trusted bool) {
		holder, puller := besieged(t, pretend, trusted)
		content := random(910, 3*mib+1)
		s, err := puller.transfers.stream(t.Context(), holder.push(content), 0, io.ErrShortWrite)
		require.NoError(t, err)
		readExactly(t, s, content)
		require.NoError(t, s.Close())
	})
}

// TestASlowHolderOfAStream among mute ones takes longer to begin than any is given at first. It is
// asked again, and given longer.
func TestASlowHolderOfAStream(t *testing.T) {
	holder, puller := besieged(t, pretends["mute"], true)
	honest := holder.transfers.server.Handler
	holder.transfers.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			select {
			case <-time.After(4 * puller.timing.Hedge):
			case <-r.Context().Done():
				return
			}
		}
		honest.ServeHTTP(w, r)
	})
	content := random(911, 3*mib+1)
	s, err := puller.transfers.stream(t.Context(), holder.push(content), 0, io.ErrShortWrite)
	require.NoError(t, err)
	readExactly(t, s, content)
	require.NoError(t, s.Close())
}

// TestOnlyMuteHolders shows that a pull fails in time, and says why, when nobody sends anything.
func TestOnlyMuteHolders(t *testing.T) {
	eachPretence(t, func(t *testing.T, pretend http.HandlerFunc, trusted bool) {
		_, puller := besieged(t, pretend, trusted, stalls)
		for _, ref := range lost(t) {
			_, err := puller.pull(ref, 0)
			requireUnavailable(t, err)
		}
	})
}

// lost are blobs that nobody holds: of one leaf, and of several.
func lost(t *testing.T) []dag.Ref {
	t.Helper()
	elsewhere := (&town{}).registry(t)
	return []dag.Ref{elsewhere.push(random(920, 200)), elsewhere.push(random(921, 3*mib))}
}

// TestALiarHoldsNothing shows that the word of a member that is not trusted does not make a blob one
// that somebody holds, so that a client does not push it, unless a leaf comes with it.
func TestALiarHoldsNothing(t *testing.T) {
	for name, pretend := range pretends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, asker := besieged(t, pretend, false)
			for _, ref := range lost(t) {
				for _, ask := range []func(context.Context, dag.Ref) ([]peer.ID, error){asker.transfers.Holders, asker.transfers.HoldersNow} {
					ids, err := ask(t.Context(), ref)
					require.NoError(t, err)
					require.Empty(t, ids)
				}
			}
		})
	}
}

// TestAnUntrustedHolder counts once it has sent a leaf, which it is asked for only once.
func TestAnUntrustedHolder(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	town.distrust(a.id)
	var leaves atomic.Int64
	honest := a.transfers.server.Handler
	a.transfers.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			leaves.Add(1)
		}
		honest.ServeHTTP(w, r)
	})
	for i, size := range []int{200, 3 * mib} {
		ref := a.push(random(930+int64(i), size))
		for range 2 {
			ids, err := b.transfers.HoldersNow(t.Context(), ref)
			require.NoError(t, err)
			require.Equal(t, []peer.ID{a.id}, ids)
			require.EqualValues(t, i+1, leaves.Load())
		}
	}
}

// TestSilenceThatCounts shows that nobody waits for what a member may hold that says nothing and is
// not trusted; and that a trusted one may.
func TestSilenceThatCounts(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t, stalls)
	a.holdBack(0)
	for _, ref := range lost(t) {
		town.distrust()
		_, err := b.transfers.HoldersNow(t.Context(), ref)
		requireUnavailable(t, err, a.id)
		town.distrust(a.id)
		_, err = b.transfers.HoldersNow(t.Context(), ref)
		require.NoError(t, err)
	}
}

// TestATrustedHolderThatBreaksItsWord is no holder the next time, and nobody says that the blob is
// unknown for it.
func TestATrustedHolderThatBreaksItsWord(t *testing.T) {
	_, puller := besieged(t, pretends["mute"], true, stalls)
	ref := lost(t)[0]
	_, err := puller.pull(ref, 0)
	requireUnavailable(t, err)
	eventually(t, func() bool {
		ids, err := puller.transfers.HoldersNow(t.Context(), ref)
		return len(ids) == 0 && err != nil
	}, "its word counts")
}

// TestASlowTrustedHolder that lost its standing gets it back by a leaf, however slowly that comes, and
// is not avoided meanwhile.
func TestASlowTrustedHolder(t *testing.T) {
	var town town
	a := town.registry(t)
	b := town.registry(t, func(r *registry) { r.timing.Ask = 2 * time.Second })
	ref := a.push(random(940, 3*mib))
	a.uplink(300 << 10) // a leaf takes 3.4 s
	b.transfers.holders.Sink(a.id)
	ids, err := b.transfers.HoldersNow(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, []peer.ID{a.id}, ids)
	require.False(t, b.transfers.holders.Standing(a.id).Sunk)
}

// TestWhatTheUntrustedAskForMayGo: nobody relies on it, so it is not noted.
func TestWhatTheUntrustedAskForMayGo(t *testing.T) {
	var town town
	var asked, going atomic.Int64
	a := town.registry(t, func(r *registry) {
		r.config.Asked = func(cid.Cid) bool { asked.Add(1); return true }
		r.config.Going = func(cid.Cid) bool { return going.Add(1) > 2 }
	})
	b := town.registry(t)
	ref := a.push(random(941, 3*mib))
	town.distrust(b.id)
	require.Equal(t, http.StatusOK, b.head(a, ref, "").StatusCode)
	_, err := b.transfers.client.Have(t.Context(), a.id, ref)
	require.NoError(t, err)
	require.Zero(t, asked.Load(), "its question counts")
	require.Equal(t, http.StatusNotFound, b.head(a, ref, "").StatusCode, "what is being removed is there")
	town.distrust()
	require.Equal(t, http.StatusOK, b.head(a, ref, "").StatusCode)
	require.EqualValues(t, 1, asked.Load())
}
