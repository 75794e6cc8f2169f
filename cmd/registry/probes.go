package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
)

// probes answers an orchestrator: /livez with 200 as long as this process answers at all,
// and /readyz with the reasons for which it should not be sent requests. Until the registry
// serves, nothing else is answered: upstream's /debug/health knows of no storage before
// that.
type probes struct {
	reasons atomic.Pointer[func() []string] // nil: the registry is starting
	rest    http.Handler                    // answers all else
}

// serving sets the function that returns the reasons; without one there are none.
func (p *probes) serving(reasons func() []string) { p.reasons.Store(&reasons) }

// stopping notes that the registry takes no new requests.
func (p *probes) stopping() {
	p.serving(func() []string { return []string{"the registry is shutting down"} })
}

// ServeHTTP implements http.Handler.
func (p *probes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reasons := p.reasons.Load()
	switch {
	case r.URL.Path == "/livez":
		answerProbe(w, nil)
	case reasons == nil:
		answerProbe(w, []string{"the registry is starting"})
	case r.URL.Path == "/readyz":
		answerProbe(w, (*reasons)())
	default:
		p.rest.ServeHTTP(w, r)
	}
}

// answerProbe answers "ok", or 503 with one reason a line.
func answerProbe(w http.ResponseWriter, reasons []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if len(reasons) == 0 {
		_, _ = fmt.Fprintln(w, "ok")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = fmt.Fprintln(w, strings.Join(reasons, "\n"))
}
