package refusals

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/route"
)

// asked is a request of one client at one repository.
func asked(method, client string) *http.Request {
	r := httptest.NewRequest(method, "/", nil)
	r.RemoteAddr = client + ":1"
	return r
}

// TestAPushIsRememberedForAWhile after its last sign, and is one client's, in one repository.
func TestAPushIsRememberedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pushes
		sign := func(method, kind string) { p.see(asked(method, "1.1.1.1"), route.Route{Kind: kind, Repository: "a"}) }
		asks := func(client, repository string) bool {
			return p.asksToPush(asked(http.MethodHead, client), route.Route{Kind: route.Manifest, Repository: repository})
		}
		sign(http.MethodGet, route.Blob)
		sign(http.MethodHead, route.Manifest)
		require.False(t, asks("1.1.1.1", "a"), "it only pulls")
		for _, s := range []struct{ method, kind string }{
			{http.MethodHead, route.Blob}, {http.MethodPost, route.Uploads}, {http.MethodPatch, route.Upload},
		} {
			sign(s.method, s.kind)
			time.Sleep(pushLasts - 1)
			require.True(t, asks("1.1.1.1", "a"))
			require.False(t, asks("2.2.2.2", "a"))
			require.False(t, asks("1.1.1.1", "b"))
		}
		time.Sleep(time.Nanosecond)
		require.False(t, asks("1.1.1.1", "a"))
	})
}

// TestPushesThatEndedMakeRoom, and only when there is none of these all are forgotten.
func TestPushesThatEndedMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pushes
		sign := func(client string) {
			p.see(asked(http.MethodHead, client), route.Route{Kind: route.Blob, Repository: "a"})
		}
		old := func(n int) {
			for ; len(p.last) < n; time.Sleep(time.Nanosecond) {
				p.last[push{repository: time.Now().String()}] = time.Now()
			}
		}
		sign("1.1.1.1")
		old(maxPushes / 2)
		time.Sleep(pushLasts / 2)
		sign("1.1.1.1")
		old(maxPushes)
		time.Sleep(pushLasts / 2)
		sign("2.2.2.2")
		require.Len(t, p.last, maxPushes/2+2, "those that ended are kept, or others are not")
		old(maxPushes)
		sign("2.2.2.2")
		require.Len(t, p.last, 1)
	})
}
