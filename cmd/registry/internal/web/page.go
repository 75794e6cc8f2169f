package web

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/doctor"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// policy lets a browser load what this page consists of, from where the page is, and nothing else:
// no inline script or style runs, whatever an image or a member is called.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// takeTime is how long a browser may take to take an answer, or one event.
const takeTime = 10 * time.Second

// Source is what a page shows.
type Source struct {
	Storage *driver.Driver
	Doctor  func(context.Context) []doctor.Finding // looks at the registry and its swarm, within a minute
}

// Page answers browsers. It is safe for concurrent use.
type Page struct {
	front  *entrance
	ctx    context.Context // of all requests
	end    context.CancelFunc
	open   sync.RWMutex // read by each request; written by Close alone
	closed sync.Once
	work   sync.WaitGroup // what is found out for several requests
	says   says
}

// says is what the storage says, asked at most so often.
type says struct {
	here      *shared[here]
	swarm     *shared[driver.SwarmStatus]
	transfers func(after uint64) driver.TransferStories
	health    *shared[health]
	space     *shared[space]
	image     func(context.Context, string) (driver.Image, error)
	where     func(context.Context, string) (driver.Where, error)
	names     func(context.Context, driver.NamesOptions) (driver.Names, error)
	log       func(context.Context, driver.LogOptions) (driver.Log, error)
}

// New makes a page. Close it before the storage.
func New(of Source) *Page {
	p := newPage()
	s := of.Storage
	p.says = says{
		here:      share(p, hereTime, func(ctx context.Context) (here, error) { return hereOf(s.Status(ctx)), nil }),
		swarm:     share(p, swarmTime, func(ctx context.Context) (driver.SwarmStatus, error) { return s.Swarm(ctx), ctx.Err() }),
		transfers: s.TransferStories,
		health: share(p, healthTime, func(ctx context.Context) (health, error) {
			found := of.Doctor(ctx)
			return health{At: time.Now(), Severity: doctor.Worst(found), Findings: found}, ctx.Err()
		}),
		space: share(p, usageTime, func(ctx context.Context) (space, error) { return spaceOf(ctx, s) }),
		image: s.Image,
		where: s.Where,
		names: s.Names,
		log:   s.Log,
	}
	return p
}

// newPage makes a page of which nothing is known yet.
func newPage() *Page {
	p := &Page{}
	p.ctx, p.end = context.WithCancel(context.Background())
	p.front = p.entrance()
	return p
}

// entrance is one way to the page. Those who come by one take nothing from those who come by another:
// clients on the public port do not keep the operator out.
type entrance struct {
	mux     *http.ServeMux
	page    *Page
	streams chan struct{}
	asked   chan struct{}
}

func (p *Page) entrance() *entrance {
	e := &entrance{mux: http.NewServeMux(), page: p, streams: make(chan struct{}, maxStreams), asked: make(chan struct{}, maxAsked)}
	for _, a := range assets() {
		e.mux.HandleFunc("GET "+a.path, a.serve)
	}
	e.mux.HandleFunc("GET /events", e.events)
	for path, q := range map[string]question{
		"images": p.askedImages, "image": p.askedImage, "where": p.askedWhere, "health": p.askedHealth, "space": p.askedSpace,
		"history": p.askedHistory,
	} {
		e.mux.Handle("GET /data/"+path, e.answers(q))
	}
	return e
}

// ServeHTTP implements http.Handler. The page lies at "/".
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.serve(w, r, p.front.mux) }

// Behind is the page for those whom a function admits, which answers the others. It is an entrance of
// its own.
func (p *Page) Behind(admits func(http.ResponseWriter, *http.Request) bool) http.Handler {
	behind := p.entrance()
	door := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if admits(w, r) {
			behind.mux.ServeHTTP(w, r)
		}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, door) })
}

// serve has a handler answer under the rules for all answers.
func (p *Page) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if !p.open.TryRLock() {
		http.Error(w, "the registry is shutting down", http.StatusServiceUnavailable)
		return
	}
	defer p.open.RUnlock()
	if of := r.Header.Get("Sec-Fetch-Site"); of == "cross-site" || of == "same-site" {
		if r.Header.Get("Sec-Fetch-Mode") != "navigate" { // a link may lead here
			http.Error(w, "another site's page may not ask here", http.StatusForbidden)
			return
		}
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	out := newTaken(w)
	defer context.AfterFunc(p.ctx, out.giveUp)()
	defer out.done()
	next.ServeHTTP(out, r.WithContext(ctx))
}

// End ends what is being answered, and does not wait for it.
func (p *Page) End() { p.end() }

// Close ends what is being answered, waits for that, and has nothing answered any more. It may be
// called again.
func (p *Page) Close() {
	p.end()
	p.closed.Do(func() {
		p.open.Lock()
		p.work.Wait()
	})
}
