package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"path"
	"strings"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/access"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/accesslog"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/conns"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/refusals"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/route"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/uploads"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/web"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// front is what stands between the clients and distribution's own handler.
type front struct {
	config  *configuration.Configuration
	driver  *driver.Driver // nil: another storage
	page    *web.Page      // nil: clients see none
	logs    bool           // whether each request is logged
	access  *access.Controller
	members net.Listener    // nil: no uploads are forwarded
	server  *uploads.Server // nil: not started
}

// newFront arranges for distribution's handler to be wrapped once the registry is made.
func newFront(config *configuration.Configuration, of opened) (*front, error) {
	f := &front{config: config, driver: of.Driver, logs: !config.Log.AccessLog.Disabled}
	if of.shown {
		f.page = of.page
	}
	config.Log.AccessLog.Disabled = true // our own access log shows what the client was answered
	var err error
	if f.handsOn() || f.page != nil {
		if f.access, err = access.Install(config); err != nil {
			return nil, err
		}
	}
	if f.handsOn() {
		if f.members, err = uploads.Listen(f.driver); err != nil {
			return nil, err
		}
	}
	registry.RegisterHandler(f.wrap)
	return f, nil
}

// handsOn reports whether requests are forwarded to other registries: on a private network,
// whose registries share a secret, and only by a registry that takes uploads itself, unless it is
// read-only for now.
func (f *front) handsOn() bool {
	return f.driver != nil && len(f.driver.SwarmSecrets("")) > 0 && f.config.Proxy.RemoteURL == ""
}

func (f *front) wrap(_ *configuration.Configuration, next http.Handler) http.Handler {
	routes := route.New(f.config.HTTP.Prefix)
	next = refusals.Handler(next, routes)
	if f.members != nil {
		h := uploads.New(f.driver, f.access, f.config, routes, next)
		f.server = uploads.Serve(f.members, h)
		next = h
	}
	if f.driver != nil {
		next = whileReadOnly(f.driver.WhyReadOnly, next)
	}
	return f.withPage(conns.Moving(f.logged(next)))
}

func (f *front) logged(next http.Handler) http.Handler {
	if !f.logs {
		return next
	}
	return accesslog.Handler(os.Stdout, logsJSON(), next)
}

// withPage has the page answered below /ipfs/, to those who may list all repositories. It has
// deadlines of its own; but nobody reads the body of a request there, which is therefore left to next.
func (f *front) withPage(next http.Handler) http.Handler {
	if f.page == nil {
		return next
	}
	base := path.Join("/", f.config.HTTP.Prefix, "ipfs")
	page := f.logged(http.StripPrefix(base, f.page.Behind(f.access.CheckCatalog)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.ContentLength != 0:
			next.ServeHTTP(w, r)
		case r.URL.Path == base:
			http.Redirect(w, r, base+"/", http.StatusMovedPermanently)
		case strings.HasPrefix(r.URL.Path, base+"/"):
			page.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// stop lets requests from members end, within `http.draintimeout`.
func (f *front) stop() {
	if f.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), f.config.HTTP.DrainTimeout)
	defer cancel()
	f.server.Shutdown(ctx)
}
