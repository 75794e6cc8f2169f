package main

import (
	"net"
	"net/http"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/docker/go-metrics"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/conns"
)

// debugServer serves health, profiles and metrics on http.debug.addr, as upstream
// does, and probes; and of the storage, when that is opened, the page and what it answers.
type debugServer struct {
	probes
	mux      *http.ServeMux
	listener net.Listener // nil: it is not configured
	server   *http.Server
	done     chan struct{} // nil: not started
}

// listenDebug takes the port; no request is answered before start.
func listenDebug(config *configuration.Configuration) (*debugServer, error) {
	debug := config.HTTP.Debug
	d := &debugServer{mux: http.NewServeMux()}
	d.mux.Handle("/", http.DefaultServeMux) // upstream's
	d.rest = d.mux
	d.server = &http.Server{Handler: &d.probes, ReadHeaderTimeout: conns.HeaderTime}
	conns.Guard(d.server, conns.Most()/8)
	if debug.Addr == "" {
		return d, nil
	}
	if debug.Prometheus.Enabled {
		path := debug.Prometheus.Path
		if path == "" {
			path = "/metrics"
		}
		http.Handle(path, metrics.Handler())
	}
	var err error
	if d.listener, err = net.Listen("tcp", debug.Addr); err != nil {
		return nil, addrError("http.debug.addr", err)
	}
	return d, nil
}

// show serves the storage's page at /ipfs/.
func (d *debugServer) show(page http.Handler) {
	d.mux.Handle("/ipfs/", http.StripPrefix("/ipfs", page))
}

// open serves the storage's API below /ipfs.
func (d *debugServer) open(api http.Handler) {
	if d.listener == nil {
		logrus.Warn("ipfs: debugapi: there is no debug server to serve it: set http.debug.addr")
		return
	}
	d.mux.Handle("/ipfs/v1/", http.StripPrefix("/ipfs", api))
}

func (d *debugServer) start() {
	if d.listener == nil {
		return
	}
	d.done = make(chan struct{})
	go func() {
		defer close(d.done)
		_ = d.server.Serve(d.listener)
	}()
}

// stop gives the port back and waits. It may be called again, and without start.
func (d *debugServer) stop() {
	if d.listener == nil {
		return
	}
	_ = d.listener.Close() // the server's Close knows of it only after start
	_ = d.server.Close()
	if d.done != nil {
		<-d.done
	}
}
