package transfer

import (
	"net/http"
	"testing"
)

// TestAnAnswerThatDoesNotEnd shows that an answer that does not end, though all that was requested
// has come, holds up nobody.
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

// endless is an answer that does not say how long it is.
type endless struct{ http.ResponseWriter }

func (e endless) WriteHeader(status int) {
	e.Header().Del("Content-Length")
	e.ResponseWriter.WriteHeader(status)
}
