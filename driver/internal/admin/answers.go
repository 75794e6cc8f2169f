package admin

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"sync"
)

// Answers is what a registry answers, wherever it is asked. It is safe for concurrent use.
type Answers struct {
	routes []Route
	ctx    context.Context // of all requests
	end    context.CancelFunc
	open   sync.RWMutex // read by each request; written by Close alone
}

// NewAnswers answers by these routes.
func NewAnswers(routes []Route) *Answers {
	ctx, end := context.WithCancel(context.Background())
	return &Answers{routes: routes, ctx: ctx, end: end}
}

// maxOpen is how many requests are answered at the same time where only questions are: whoever reaches
// that place may ask, and an answer may take megabytes until it is taken.
const maxOpen = 32

// Handler answers all routes, or only those that change nothing, and of these few at the same time.
func (a *Answers) Handler(readOnly bool) http.Handler {
	mux := http.NewServeMux()
	for _, r := range a.routes {
		if !readOnly || !r.Changes {
			mux.Handle(r.Method+" "+r.Path, r.serve)
		}
	}
	open := make(chan struct{}, maxOpen)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if readOnly && len(r.Header["Accept"]) == 0 {
			r.Header = maps.Clone(r.Header)
			r.Header.Set("Accept", "*/*") // no earlier release asks here
		}
		if !a.open.TryRLock() {
			fail(w, r, &Error{Status: http.StatusServiceUnavailable, Reason: "the registry is shutting down"})
			return
		}
		defer a.open.RUnlock()
		if readOnly {
			select {
			case open <- struct{}{}:
				defer func() { <-open }()
			default:
				w.Header().Set("Retry-After", "1")
				fail(w, r, &Error{Status: http.StatusServiceUnavailable, Reason: "too many ask at the same time: ask again"})
				return
			}
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(a.ctx, cancel)()
		out, done := take(a.ctx, w)
		defer done()
		answer(mux, out, r.WithContext(ctx))
	})
}

// answer has the mux answer; what it refuses itself is told as any other error.
func answer(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	refuse, pattern := mux.Handler(r)
	if pattern != "" {
		mux.ServeHTTP(w, r)
		return
	}
	unsent := &unsent{ResponseWriter: w}
	refuse.ServeHTTP(unsent, r)
	fail(w, r, of(unsent.status, errors.New("no such route, or not by this method, at "+r.URL.Path)))
}

// unsent is an answer of which only the headers are used.
type unsent struct {
	http.ResponseWriter
	status int
}

func (u *unsent) WriteHeader(status int)      { u.status = status }
func (u *unsent) Write(b []byte) (int, error) { return len(b), nil }

// Close ends what is being answered, waits for that, and has nothing answered any more. Who does not
// take an answer holds it up for a second.
func (a *Answers) Close() {
	a.end()
	a.open.Lock()
}
