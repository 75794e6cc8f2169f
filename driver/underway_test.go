package driver

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
)

// of is a request's context, with the values that distribution puts there.
type of struct {
	context.Context
	values map[string]any
}

// Value implements context.Context.
func (c of) Value(key any) any {
	if name, ok := key.(string); ok && c.values[name] != nil {
		return c.values[name]
	}
	return c.Context.Value(key)
}

// TestWhatADrainWaitsFor: pushes and deletes that have begun, until they are over.
func TestWhatADrainWaitsFor(t *testing.T) {
	for method, waits := range map[string]bool{http.MethodPut: true, http.MethodDelete: true, http.MethodGet: false} {
		synctest.Test(t, func(t *testing.T) {
			begun, ended := 0, 0
			q := requests{rely: func() func() { begun++; return func() { ended++ } }}
			alive, end := context.WithCancel(t.Context())
			ctx := of{alive, map[string]any{"http.request.method": method, "vars.reference": "latest", "http.request.id": "1"}}
			written := q.underway(ctx).write()
			if (begun == 1) != waits {
				t.Errorf("%s: %d", method, begun)
			}
			end()
			synctest.Wait()
			if ended > 0 {
				t.Errorf("%s: waited for no longer, and it still writes", method)
			}
			written()
			if ended != begun {
				t.Errorf("%s: waited for after its end", method)
			}
		})
	}
}
