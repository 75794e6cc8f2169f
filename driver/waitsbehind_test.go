package driver_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// TestWhoMayWaitNoMoreIsToldSo: a request that has waited for as long as it may is told of each
// further miss what the members answered to it before. What one of them may have acknowledged is
// never said to be nowhere, and nothing is deleted without it.
func TestWhoMayWaitNoMoreIsToldSo(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	put(t, m, tagLink("a", "t"), "sha256:x")
	request := func(name, method string) context.Context {
		values := map[string]any{"http.request.startedat": time.Now(), "http.request.id": name}
		return requestContext{asRequest(t, method, "vars.reference"), values}
	}
	for name, late := range map[string]error{"behind": pathmap.ErrBehind, "heard": nil} {
		ctx := request(name, http.MethodGet)
		m.WaitedInVain(ctx, late)
		for i := range 3 {
			_, err := m.GetContent(ctx, tagLink("nowhere", fmt.Sprint(i)))
			if isRefusal(err) != (late != nil) || isNotFound(err) != (late == nil) {
				t.Errorf("%s: miss %d: %v", name, i, err)
			}
		}
	}
	ctx := request("delete", http.MethodDelete)
	m.WaitedInVain(ctx, pathmap.ErrBehind)
	if err := m.Delete(ctx, tagLink("a", "t")); !isRefusal(err) || missing(m, tagLink("a", "t")) {
		t.Errorf("a delete that has heard nobody: %v", err)
	}
}
