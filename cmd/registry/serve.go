package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/catalog"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/download"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/web"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// serve runs the registry. Mistakes are reported in one line before anything runs: the
// ports are checked first, then the storage is opened, which is closed last.
func serve(ctx context.Context, config *configuration.Configuration, undrain bool) (err error) {
	hung := catchHangups()
	if err := traceOnlyWhenAsked(); err != nil {
		return err
	}
	if err := checkAddr(config); err != nil {
		return err
	}
	debug, err := listenDebug(config)
	if err != nil {
		return err
	}
	debug.start() // probes are answered while a large storage opens
	defer debug.stop()
	ready := func() []string { return nil }
	var storage opened
	if config.Storage.Type() == driver.Name {
		storage, err = openStorage(ctx, config, debug)
		if err != nil {
			return err
		}
		defer func() {
			if cerr := storage.Close(); cerr != nil {
				logrus.WithError(cerr).Error("the storage could not be closed cleanly")
			}
			logrus.Info("storage is closed")
		}()
		defer storage.page.Close()
		ready = storage.Ready
		if undrain {
			if _, err := storage.Undrain(ctx); err != nil {
				return err
			}
		}
	}
	front, err := newFront(config, storage)
	if err != nil {
		return err
	}
	defer front.stop() // before the storage closes
	reg, err := newRegistry(ctx, config)
	if err != nil {
		return err
	}
	if err := prepareServer(reg); err != nil {
		return err
	}
	dropSpans(ctx)
	debug.serving(ready)
	defer hung.call(storage.readAgain)()
	stopping := func() {
		debug.stopping()
		if storage.Driver != nil {
			storage.page.End() // which has answers that go on for as long as somebody looks
			storage.ShutDown()
		}
	}
	defer stopping() // before the storage closes
	defer onStopSignal(stopping)()
	return listen(reg, config)
}

// traceOnlyWhenAsked keeps upstream's tracing off where the environment names no collector.
// OpenTelemetry would send spans to localhost, where usually no collector listens, and
// upstream logs each attempt as an error, every few seconds.
func traceOnlyWhenAsked() error {
	for _, name := range []string{tracesExporter, "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		if os.Getenv(name) != "" {
			return nil
		}
	}
	if err := os.Setenv(tracesExporter, "none"); err != nil {
		return fmt.Errorf("switch tracing off: %w", err)
	}
	return nil
}

// tracesExporter is the variable from which OpenTelemetry reads where to send spans
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
const tracesExporter = "OTEL_TRACES_EXPORTER"

// checkAddr finds out whether http.addr can be listened on, which upstream tries only when
// all else runs. It does not check addresses that upstream would not listen on as they are:
// a unix socket, which upstream replaces, and http.addr when systemd hands over a socket.
func checkAddr(config *configuration.Configuration) error {
	if network := config.HTTP.Net; os.Getenv("LISTEN_FDS") != "" || network != "" && network != "tcp" {
		return nil
	}
	l, err := net.Listen("tcp", config.HTTP.Addr)
	if err != nil {
		return addrError("http.addr", err)
	}
	return l.Close()
}

func addrError(key string, err error) error {
	return fmt.Errorf("%s: %w; stop what listens there, or choose another port", key, err)
}

// listen serves until SIGTERM. Requests that outlast http.draintimeout are cut,
// which is no failure: nothing that was acknowledged is lost.
func listen(reg *registry.Registry, config *configuration.Configuration) error {
	err := reg.ListenAndServe()
	switch {
	case err == nil, errors.Is(err, http.ErrServerClosed):
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		logrus.Warnf("requests still ran after http.draintimeout, %s, and were cut", config.HTTP.DrainTimeout)
		return nil
	}
	var socket *net.OpError
	if errors.As(err, &socket) {
		return addrError("http.addr", err)
	}
	return fmt.Errorf("http: %w", err)
}

// opened is the ipfs driver, with its page.
type opened struct {
	*driver.Driver // nil: the storage is another one
	page           *web.Page
	shown          bool // clients may see the page, too
}

// openStorage opens the ipfs driver, puts it where distribution finds it, and has the debug server
// show its page.
func openStorage(ctx context.Context, config *configuration.Configuration, debug *debugServer) (opened, error) {
	p, err := driver.ParseParameters(config.Storage.Parameters())
	if err != nil {
		return opened{}, err
	}
	if err := checkProxy(ctx, config.Proxy, p); err != nil {
		return opened{}, err
	}
	written := *config
	d, err := driver.New(ctx, p)
	if err != nil {
		return opened{}, err
	}
	if err := adapt(config, d); err != nil {
		return opened{}, errors.Join(err, d.Close())
	}
	page := newPage(written, p, d)
	debug.show(page)
	if p.DebugAPI {
		debug.open(d.API())
	}
	return opened{d, page, p.UI}, nil
}

// checkProxy refuses a pull-through cache whose content expires: distribution would then
// delete paths of the whole swarm, among them layers that somebody pushed. A registry that
// may not write could keep nothing.
func checkProxy(ctx context.Context, proxy configuration.Proxy, p driver.Parameters) error {
	if proxy.RemoteURL == "" {
		return nil
	}
	if proxy.TTL == nil || *proxy.TTL > 0 {
		return errors.New("proxy.ttl: what expires here would be deleted on every registry of the swarm, pushed layers included; set it to 0, which keeps everything")
	}
	if len(p.TrustedPeers) == 0 && p.TrustedPeersFile == "" {
		return nil
	}
	id, err := driver.Identify(ctx, p)
	if err != nil {
		return err
	}
	if trusted, err := p.Trusts(id.PeerID); err != nil || !trusted {
		return cmp.Or(err, fmt.Errorf("proxy: this registry, %s, is not in its own trustedpeers and may not store what it pulls; add it there on every registry, or leave proxy out", id.PeerID))
	}
	return nil
}

// adapt fits a configuration to the storage that it names.
func adapt(config *configuration.Configuration, d *driver.Driver) error {
	config.Storage[driver.Name] = configuration.Parameters{driver.OpenedKey: d}
	catalog.Install(config, d)
	download.Install(config, d)
	if config.HTTP.Secret == "" {
		secret, err := d.Secret("http.secret")
		if err != nil {
			return err
		}
		config.HTTP.Secret = secret
	}
	delete(config.Storage, "redirect") // disabled, a download's status would come before its first byte
	if cache := config.Storage["cache"]; cache["blobdescriptor"] != nil {
		logrus.Warn("storage.cache.blobdescriptor: what another registry deletes stays in this cache; leave it off")
	}
	return prometheus.Register(d.Collector())
}

// newRegistry turns the panics of distribution's set-up into errors.
func newRegistry(ctx context.Context, config *configuration.Configuration) (reg *registry.Registry, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("set up the registry: %v", p)
		}
	}()
	return registry.NewRegistry(ctx, config)
}
