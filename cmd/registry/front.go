package main

import (
	"context"
	"net"
	"net/http"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/access"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/accesslog"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/conns"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/refusals"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/route"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/uploads"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// front is what stands between the clients and distribution's own handler.
type front struct {
	config  *configuration.Configuration
	driver  *driver.Driver // nil: another storage
	logs    bool           // whether each request is logged
	access  *access.Controller
	members net.Listener    // nil: no uploads are forwarded
	server  *uploads.Server // nil: not started
}

// newFront arranges for distribution's handler to be wrapped once the registry is made.
func newFront(config *configuration.Configuration, d *driver.Driver) (*front, error) {
	f := &front{config: config, driver: d, logs: !config.Log.AccessLog.Disabled}
	config.Log.AccessLog.Disabled = true // our own access log shows what the client was answered
	if f.handsOn() {
		var err error
		if f.access, err = access.Install(config); err != nil {
			return nil, err
		}
		if f.members, err = uploads.Listen(d); err != nil {
			return nil, err
		}
	}
	registry.RegisterHandler(f.wrap)
	return f, nil
}

// handsOn reports whether requests are forwarded to other registries: on a private network,
// whose registries share a secret, and only by a registry that takes uploads itself.
func (f *front) handsOn() bool {
	return f.driver != nil && f.driver.SwarmSecret("") != nil && !f.driver.ReadOnly() && f.config.Proxy.RemoteURL == ""
}

func (f *front) wrap(_ *configuration.Configuration, next http.Handler) http.Handler {
	routes := route.New(f.config.HTTP.Prefix)
	next = refusals.Handler(next, routes)
	if f.members != nil {
		h := uploads.New(f.driver, f.access, f.config, routes, next)
		f.server = uploads.Serve(f.members, h)
		next = h
	}
	if f.logs {
		next = accesslog.Handler(os.Stdout, logsJSON(), next)
	}
	return conns.Moving(next)
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
