package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry"
	"github.com/docker/go-metrics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// serve opens the storage first, so that what is wrong with it is said in one
// line, and closes it last.
func serve(ctx context.Context, config *configuration.Configuration) (err error) {
	if err := traceOnlyWhenAsked(); err != nil {
		return err
	}
	if config.Storage.Type() == driver.Name {
		d, err := openStorage(ctx, config)
		if err != nil {
			return err
		}
		defer func() {
			if cerr := d.Close(); cerr != nil {
				logrus.WithError(cerr).Error("close storage")
			}
			logrus.Info("storage is closed")
		}()
	}
	closeDebug, err := serveDebug(config)
	if err != nil {
		return err
	}
	defer closeDebug()
	reg, err := newRegistry(ctx, config)
	if err != nil {
		return err
	}
	return listen(reg, config)
}

// traceOnlyWhenAsked keeps upstream's tracing off where the environment names no
// collector. OpenTelemetry would send spans to localhost, where mostly nobody
// listens, and upstream logs each attempt as an error, every few seconds.
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

// tracesExporter is where OpenTelemetry reads who gets the spans
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
const tracesExporter = "OTEL_TRACES_EXPORTER"

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
	return fmt.Errorf("http.addr: %w", err)
}

// openStorage opens the ipfs driver and puts it where distribution finds it.
func openStorage(ctx context.Context, config *configuration.Configuration) (*driver.Driver, error) {
	p, err := driver.ParseParameters(config.Storage.Parameters())
	if err != nil {
		return nil, err
	}
	d, err := driver.New(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := adapt(config, d); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func adapt(config *configuration.Configuration, d *driver.Driver) error {
	config.Storage[driver.Name] = configuration.Parameters{driver.OpenedKey: d}
	if config.HTTP.Secret == "" {
		secret, err := d.Secret("http.secret")
		if err != nil {
			return err
		}
		config.HTTP.Secret = secret
	}
	if d.ReadOnly() { // 405 to pushes and deletes
		config.Storage["maintenance"] = configuration.Parameters{"readonly": map[any]any{"enabled": true}}
	}
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

// serveDebug serves health, profiles and metrics on http.debug.addr, as upstream
// does, until the returned function is called.
func serveDebug(config *configuration.Configuration) (stop func(), err error) {
	debug := config.HTTP.Debug
	if debug.Addr == "" {
		return func() {}, nil
	}
	if debug.Prometheus.Enabled {
		path := debug.Prometheus.Path
		if path == "" {
			path = "/metrics"
		}
		http.Handle(path, metrics.Handler())
	}
	l, err := net.Listen("tcp", debug.Addr)
	if err != nil {
		return nil, fmt.Errorf("http.debug.addr: %w", err)
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second} // http.DefaultServeMux
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	return func() {
		_ = server.Close()
		<-done
	}, nil
}
