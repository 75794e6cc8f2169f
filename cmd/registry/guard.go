package main

import (
	"errors"
	"net/http"
	"reflect"

	"github.com/distribution/distribution/v3/registry"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/conns"
)

// prepareServer bounds the connections of distribution's server before it serves, and has systemd told when it does.
func prepareServer(reg *registry.Registry) error {
	server, err := serverOf(reg)
	if err != nil {
		return err
	}
	tellSystemd(server)
	return prometheus.Register(conns.Guard(server, conns.Most()))
}

// serverOf reaches distribution's server, which it gives nobody, and for which nothing can be
// configured: no time after which a request must have come, no number of connections. A server
// of our own would have to copy how distribution sets up TLS and ends, and would ignore what a
// later release adds to that. When the field is another one some day, no registry starts.
func serverOf(reg *registry.Registry) (*http.Server, error) {
	field := reflect.ValueOf(reg).Elem().FieldByName("server")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*http.Server]() || field.IsNil() {
		return nil, errors.New("http: this release of distribution keeps its server elsewhere: connections of clients would have no bound")
	}
	return reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem().Interface().(*http.Server), nil
}
