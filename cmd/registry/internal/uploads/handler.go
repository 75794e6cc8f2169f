package uploads

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	v2 "github.com/distribution/distribution/v3/registry/api/v2"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/access"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/refusals"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/route"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

const (
	dialTime     = 5 * time.Second
	continueTime = 30 * time.Second // that the owner may take to ask for a body
)

// Handler answers for all uploads of a swarm: for those of this registry by the handler
// that it wraps, for others by their owners. It is safe for concurrent use.
type Handler struct {
	names  names
	driver *driver.Driver
	access *access.Controller
	config *configuration.Configuration
	host   *url.URL // of `http.host`; nil where it is not set
	routes *route.Router
	next   http.Handler
	onward *httputil.ReverseProxy
}

// New wraps next, which answers for this registry's uploads. d must be on a private
// network, and routes for `http.prefix`.
func New(d *driver.Driver, a *access.Controller, config *configuration.Configuration, routes *route.Router, next http.Handler) *Handler {
	h := &Handler{
		names: names{d.Identity().PeerID, d.SwarmSecrets("uploads")}, driver: d, access: a, config: config,
		routes: routes, next: next,
	}
	if u, err := url.Parse(config.HTTP.Host); err == nil && u.Scheme != "" && u.Host != "" {
		h.host = u
	}
	h.onward = &httputil.ReverseProxy{
		Rewrite:        h.rewrite,
		Transport:      h.transport(),
		FlushInterval:  -1,
		ModifyResponse: h.relocate,
		ErrorHandler:   h.failed,
		ErrorLog:       log.New(debugWriter{}, "", 0),
	}
	return h
}

// transport opens a stream for each request: a stream that is used again may just be
// ending, and a body cannot be sent twice.
func (h *Handler) transport() *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			ctx, cancel := context.WithTimeout(ctx, dialTime)
			defer cancel()
			return h.driver.DialMember(ctx, host, protocol)
		},
		DisableKeepAlives:      true,
		DisableCompression:     true,
		ExpectContinueTimeout:  continueTime,
		MaxResponseHeaderBytes: 64 << 10,
		WriteBufferSize:        64 << 10,
	}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at, r := h.routes.Once(r)
	switch at.Kind {
	case route.Upload:
		if owner, ok := h.names.owner(r.URL.Query(), at.Repository, at.UUID); ok && owner != h.names.self {
			h.handOn(w, r, at, owner)
			return
		}
	case route.Uploads:
	default:
		h.next.ServeHTTP(w, r)
		return
	}
	h.next.ServeHTTP(&named{ResponseWriter: w, names: h.names, repository: at.Repository}, r)
}

// onwards is a request on its way to another registry.
type onwards struct {
	from        *http.Request // the client's
	at          route.Route
	owner, user string
}

type onwardsKey struct{}

func (h *Handler) handOn(w http.ResponseWriter, r *http.Request, at route.Route, owner string) {
	w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
	user, ok := h.access.Check(w, r, at.Repository)
	if !ok {
		return
	}
	w.Header().Del("Docker-Distribution-API-Version") // the owner says it
	o := onwards{from: r, at: at, owner: owner, user: user}
	h.onward.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), onwardsKey{}, o)))
}

// rewrite makes the request to the owner from the client's. Headers that identify the
// client, and the address under which it reached this registry, are not sent on.
func (h *Handler) rewrite(p *httputil.ProxyRequest) {
	o := p.In.Context().Value(onwardsKey{}).(onwards)
	host := "unknown"
	if id, err := libpeer.Decode(o.owner); err == nil {
		host = libpeer.ToCid(id).String() // hosts are case-insensitive, peer IDs are not
	}
	p.Out.URL = &url.URL{
		Scheme: "http", Host: host, RawQuery: p.In.URL.RawQuery,
		Path: "/v2/" + o.at.Repository + "/blobs/uploads/" + o.at.UUID,
	}
	p.Out.Host = host
	for _, name := range []string{"Authorization", "Cookie", userHeader} {
		p.Out.Header.Del(name)
	}
	if o.user != "" {
		p.Out.Header.Set(userHeader, o.user)
	}
	if expect := p.In.Header.Get("Expect"); expect != "" {
		p.Out.Header.Set("Expect", expect) // the owner may refuse before a byte of it is sent
	}
}

// relocate makes the owner's Location lead through the address that the client used.
func (h *Handler) relocate(resp *http.Response) error {
	o := resp.Request.Context().Value(onwardsKey{}).(onwards)
	_, path, ok := strings.Cut(resp.Header.Get("Location"), "/v2/"+o.at.Repository+"/")
	if !ok {
		return nil
	}
	builder := v2.NewURLBuilderFromRequest(o.from, h.config.HTTP.RelativeURLs)
	if h.host != nil {
		builder = v2.NewURLBuilder(h.host, false)
	}
	base, err := builder.BuildBaseURL()
	if err != nil {
		return err
	}
	resp.Header.Set("Location", base+o.at.Repository+"/"+path)
	return nil
}

// failed answers in place of an owner that cannot be reached. When the owner is not
// connected, the upload is gone, as after any loss of a registry; when the connection broke,
// the owner keeps what it has received.
func (h *Handler) failed(w http.ResponseWriter, r *http.Request, err error) {
	o := r.Context().Value(onwardsKey{}).(onwards)
	logrus.WithError(err).WithFields(logrus.Fields{"owner": o.owner, "upload": o.at.UUID}).Debug("an upload could not be forwarded")
	w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
	if errors.Is(err, driver.ErrNotMember) {
		refusals.Write(w, &driver.Refusal{
			Status: http.StatusNotFound, Code: "BLOB_UPLOAD_UNKNOWN",
			Err: errors.New("the registry where this upload began, " + o.owner + ", is not connected: begin the upload again"),
		})
		return
	}
	refusals.Write(w, &driver.Refusal{
		Status: http.StatusServiceUnavailable, Code: "UNAVAILABLE", Retry: time.Second,
		Err: errors.New("the connection to the registry where this upload began, " + o.owner + ", broke: ask for the offset of the upload, and resume it"),
	})
}

// debugWriter receives the log of httputil, which reports clients that left.
type debugWriter struct{}

func (debugWriter) Write(b []byte) (int, error) {
	logrus.Debugf("forward an upload: %s", strings.TrimSpace(string(b)))
	return len(b), nil
}
