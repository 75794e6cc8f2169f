// Package route finds out what a request to the registry's API is about, with
// distribution's own routes.
//
//	at := route.New(config.HTTP.Prefix).Of(r)
//	if at.Kind == route.Manifest { … at.Repository … }
//
// Limits: it tells apart only the kinds that this registry treats in its own way.
package route

import (
	"context"
	"net/http"

	v2 "github.com/distribution/distribution/v3/registry/api/v2"
	"github.com/gorilla/mux"
)

// Kinds of requests. Other is any request that has no kind here.
const (
	Other    = ""
	Blob     = v2.RouteNameBlob
	Manifest = v2.RouteNameManifest
	Uploads  = v2.RouteNameBlobUpload      // where uploads begin
	Upload   = v2.RouteNameBlobUploadChunk // one that has begun
)

// Route is what a request is about.
type Route struct {
	Kind       string
	Repository string
	UUID       string // of an Upload
}

// Router finds the routes of requests. It is safe for concurrent use.
type Router struct{ mux *mux.Router }

// New returns the router for `http.prefix`.
func New(prefix string) *Router { return &Router{v2.RouterWithPrefix(prefix)} }

// known is the context's key of what a Router has found.
type known struct{ by *Router }

// Once is Of, and gives the request with what was found: for that, Of does not look again.
func (r *Router) Once(req *http.Request) (Route, *http.Request) {
	at := r.Of(req)
	return at, req.WithContext(context.WithValue(req.Context(), known{r}, at))
}

// Of returns a request's route.
func (r *Router) Of(req *http.Request) Route {
	if at, ok := req.Context().Value(known{r}).(Route); ok {
		return at
	}
	var m mux.RouteMatch
	if !r.mux.Match(req, &m) || m.Route == nil {
		return Route{}
	}
	switch kind := m.Route.GetName(); kind {
	case Blob, Manifest, Uploads, Upload:
		return Route{kind, m.Vars["name"], m.Vars["uuid"]}
	}
	return Route{}
}
