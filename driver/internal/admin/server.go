// Package admin is both ends of the API by which a running registry answers its operator's
// commands: HTTP on admin.sock, a unix socket that only the same user opens. docs/api.yaml
// describes it.
//
//	answers := admin.NewAnswers([]admin.Route{admin.Get("/v1/id", "Who this registry is.", id), …})
//	srv, err := admin.Serve("/var/lib/registry/ipfs/admin.sock", answers)
//	err := admin.NewClient("/var/lib/registry/ipfs/admin.sock").Do(ctx, "GET", "/v1/id", nil, &who)
//
// Each route is declared once, and says whether it changes something: those that do not can be
// answered in other places, too, by Answers.Handler.
//
// Limits: the package carries answers as JSON and knows none of their fields: both ends are
// given values of the same types.
package admin

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Server answers on one socket until it is closed.
type Server struct {
	http http.Server
	wg   sync.WaitGroup
}

// Serve listens on a unix socket of mode 0600, replacing one that a killed process left
// there: the caller holds the datastore's lock, so no other process answers.
func Serve(path string, answers *Answers) (*Server, error) {
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
	s := &Server{http: http.Server{Handler: answers.Handler(false), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}}
	s.wg.Go(func() { _ = s.http.Serve(l) })
	return s, nil
}

// Close stops listening, and removes the socket. Requests end by Answers.Close.
func (s *Server) Close() error {
	err := s.http.Close()
	s.wg.Wait()
	return err
}
