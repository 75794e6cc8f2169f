package uploads

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"path"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/access"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/route"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

const (
	// maxFrom and maxAll are how many requests are answered at once, of one member and in
	// all.
	maxFrom = 256
	maxAll  = 1024
)

// Server answers other registries for the uploads of this one, until Shutdown.
type Server struct {
	handler *Handler
	routes  *route.Router
	http    *http.Server
	done    chan struct{}

	mu   sync.Mutex
	from map[string]int // by remote address, which is a peer ID
	all  int
}

// Listen accepts the members' connections; no request is answered before Serve.
func Listen(d *driver.Driver) (net.Listener, error) {
	l, err := d.ListenMembers(protocol)
	if err != nil {
		return nil, fmt.Errorf("accept uploads from members: %w", err)
	}
	return l, nil
}

// Serve starts to answer members with the handler that h wraps.
func Serve(l net.Listener, h *Handler) *Server {
	s := &Server{handler: h, routes: route.New(""), done: make(chan struct{}), from: map[string]int{}}
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.answer),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(debugWriter{}, "", 0),
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			logrus.WithError(err).Error("this registry no longer answers other registries for its uploads: restart it")
		}
	}()
	return s
}

// Shutdown lets running requests end until ctx ends, and cuts off the rest.
func (s *Server) Shutdown(ctx context.Context) {
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // there is nothing left to do about it
	}
	<-s.done
}

// answer answers only trusted members, and only about uploads.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	at := s.routes.Of(r)
	switch {
	case !s.handler.driver.Trusts(r.RemoteAddr):
		w.Header().Set("Connection", "close")
		http.Error(w, "not a trusted member", http.StatusForbidden)
		return
	case at.Kind != route.Upload:
		http.Error(w, "not an upload", http.StatusNotFound)
		return
	case !s.enter(r.RemoteAddr):
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
		return
	}
	defer s.leave(r.RemoteAddr)
	ctx := access.Admit(r.Context(), r.Header.Get(userHeader))
	r = r.Clone(ctx)
	r.Header.Del(userHeader)
	r.URL.Path = path.Join("/", s.handler.config.HTTP.Prefix, r.URL.Path)
	r.RequestURI = r.URL.RequestURI()
	h := s.handler
	h.next.ServeHTTP(&named{ResponseWriter: w, names: h.names, repository: at.Repository}, r)
}

func (s *Server) enter(from string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxAll || s.from[from] >= maxFrom {
		return false
	}
	s.all++
	s.from[from]++
	return true
}

func (s *Server) leave(from string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.from[from]--; s.from[from] == 0 {
		delete(s.from, from)
	}
}
