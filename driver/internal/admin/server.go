// Package admin is both ends of admin.sock, on which the running registry answers
// its operator's commands: HTTP over a unix socket that only the same user opens.
//
//	srv, err := admin.Serve("/var/lib/registry/ipfs/admin.sock", admin.Source{Status: …, ID: …})
//	err := admin.NewClient("/var/lib/registry/ipfs/admin.sock").Status(ctx, &status)
//
// Limits: the package carries answers as JSON and knows none of their fields: both ends are
// given values of the same types.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

// Source is the registry that answers. What its functions return is encoded as JSON.
type Source struct {
	Status func(context.Context) any
	ID     func() any
	Forget func(ctx context.Context, member string) (any, error) // an error is shown to the operator
	Where  func(ctx context.Context, of string) (any, error)     // likewise
	// Verify reads the registry's blobs, or those of an image, and mends damaged ones. It
	// ends with its context, and calls progress from one goroutine at a time.
	Verify func(ctx context.Context, image string, progress func(any)) (any, error)
	// Collect collects garbage, as the options say, which are as Client.Collect was given
	// them, in JSON. It is like Verify otherwise.
	Collect func(ctx context.Context, options []byte, progress func(any)) (any, error)
	// Drain begins to drain the registry and, with wait, waits until it may be switched off. It
	// is like Verify otherwise, and what it began does not end with its context. Undrain ends that.
	Drain   func(ctx context.Context, wait bool, progress func(any)) (any, error)
	Undrain func(context.Context) (any, error)
}

// Server answers on one socket until it is closed.
type Server struct {
	http  *http.Server
	wg    sync.WaitGroup
	tasks []*task
}

// Serve listens on a unix socket of mode 0600, replacing one that a killed process left
// there: the caller holds the datastore's lock, so no other process answers.
func Serve(path string, src Source) (*Server, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("admin socket (a path of at most 107 bytes): %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("admin socket: %w", err), l.Close())
	}
	s := &Server{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) { reply(w, src.Status(r.Context())) })
	mux.HandleFunc("GET /v1/id", func(w http.ResponseWriter, _ *http.Request) { reply(w, src.ID()) })
	mux.HandleFunc("DELETE /v1/members/{member}", func(w http.ResponseWriter, r *http.Request) {
		m, err := src.Forget(r.Context(), r.PathValue("member"))
		replyOr(w, m, err)
	})
	mux.HandleFunc("GET /v1/where", func(w http.ResponseWriter, r *http.Request) {
		found, err := src.Where(r.Context(), r.URL.Query().Get("of"))
		replyOr(w, found, err)
	})
	s.task(mux, "POST /v1/verify", func(ctx context.Context, q url.Values, progress func(any)) (any, error) {
		return src.Verify(ctx, q.Get("image"), progress)
	})
	s.task(mux, "POST /v1/collect", func(ctx context.Context, q url.Values, progress func(any)) (any, error) {
		return src.Collect(ctx, []byte(q.Get("options")), progress)
	})
	s.task(mux, "POST /v1/drain", func(ctx context.Context, q url.Values, progress func(any)) (any, error) {
		return src.Drain(ctx, q.Has("wait"), progress)
	})
	mux.HandleFunc("DELETE /v1/drain", func(w http.ResponseWriter, r *http.Request) {
		m, err := src.Undrain(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		reply(w, m)
	})
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	s.wg.Go(func() { _ = s.http.Serve(l) })
	return s, nil
}

func (s *Server) task(mux *http.ServeMux, pattern string, run func(context.Context, url.Values, func(any)) (any, error)) {
	t := &task{run: run}
	s.tasks = append(s.tasks, t)
	mux.Handle(pattern, t)
}

func replyOr(w http.ResponseWriter, v any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	reply(w, v)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// Close stops answering, removes the socket and waits for requests to end, including those
// that take long.
func (s *Server) Close() error {
	err := s.http.Close()
	s.wg.Wait()
	for _, t := range s.tasks {
		t.end() // a request may have arrived just now
	}
	return err
}
