package wire

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// maxRequestsFrom and maxRequests are how many requests are answered at once, of one member
// and in all. A registry asks each member for a few ranges a transfer, and once for each blob
// that it looks for.
const (
	maxRequestsFrom = 256
	maxRequests     = 4096
)

// Answers are what members are answered with. An error may be ErrGone, of a blob also a
// PartialError, LackingError or RelayedError, and of a doubt ErrNoLeaf or ErrTooMany. Others
// are logged, and members are not told what they are. All are called concurrently.
type Answers struct {
	// Blob gives a blob, of which only the range that was asked for needs to be there.
	Blob func(context.Context, *BlobRequest) (io.ReadSeekCloser, error)
	// Have gives the leaves of a blob that are here.
	Have func(cid.Cid) (bitset.Set, error)
	// Block gives an inner block.
	Block func(context.Context, cid.Cid) ([]byte, error)
	// Doubt takes note that a member got other bytes than that leaf's.
	Doubt func(from peer.ID, root cid.Cid, leaf int) error
}

// ServerConfig is what a Server is made of.
type ServerConfig struct {
	Answers Answers
	Admits  func(remote string) bool // whether requests from a remote address may be answered now
	Send    time.Duration            // after which a member is left that takes none of the bytes sent to it
	Log     *logrus.Entry
}

// Server answers members. It does not depend on the listeners that it serves. It is safe for
// concurrent use.
type Server struct {
	*http.Server
	cfg      ServerConfig
	requests *limit.Limit[string] // being answered, by remote address, which is a peer ID
	out      atomic.Int64

	mu       sync.Mutex
	closed   bool
	answered sync.WaitGroup
}

// NewServer makes one; Serve starts it.
func NewServer(cfg ServerConfig) *Server {
	s := &Server{cfg: cfg, requests: limit.New[string](maxRequestsFrom, maxRequests)}
	s.Server = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      cfg.Send, // counted puts it off
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          log.New(debugWriter{cfg.Log}, "", 0),
	}
	return s
}

// Serve answers at a listener until Close. An error says why it ended earlier.
func (s *Server) Serve(l net.Listener) error {
	err := s.Server.Serve(l)
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Out is how many bytes were sent.
func (s *Server) Out() int64 { return s.out.Load() }

// Close ends all requests that are being answered, and waits for them. It may be called
// again.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	err := s.Server.Close()
	s.answered.Wait()
	return err
}

// hold makes Close wait until answered.Done; false when the server is closing already.
func (s *Server) hold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.answered.Add(1)
	}
	return !s.closed
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/blobs/{cid}", s.answer(s.blob)) // HEAD too
	mux.HandleFunc("GET /v1/blobs/{cid}/have", s.answer(s.have))
	mux.HandleFunc("POST /v1/blobs/{cid}/doubt", s.answer(s.doubt))
	mux.HandleFunc("GET /v1/blocks/{cid}", s.answer(s.block))
	return bodiless(mux)
}

// bodiless refuses a request with a body before any of it is read, even by net/http, which
// would wait for the rest.
func bodiless(next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		_ = http.NewResponseController(w).SetReadDeadline(time.Now())
		w.Header().Set("Connection", "close")
		http.Error(w, "requests have no body here", http.StatusBadRequest)
	}
}

// answer handles one request, for which Close waits.
func (s *Server) answer(f func(http.ResponseWriter, *http.Request, cid.Cid) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// Connections outlive memberships: each request is admitted anew.
		if !s.cfg.Admits(r.RemoteAddr) {
			w.Header().Set("Connection", "close")
			http.Error(w, "not a member", http.StatusForbidden)
			return
		}
		if !s.requests.Enter(r.RemoteAddr) {
			http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
			return
		}
		defer s.requests.Leave(r.RemoteAddr)
		if !s.hold() {
			http.Error(w, "this registry is stopping", http.StatusServiceUnavailable)
			return
		}
		defer s.answered.Done()
		c, err := cid.Decode(r.PathValue("cid"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		if err = f(&counted{ResponseWriter: w, s: s}, r, c); err != nil && !refuse(w, err) {
			s.cfg.Log.WithError(err).Warn("cannot read a blob for a member")
			http.Error(w, "unreadable here", http.StatusInternalServerError)
		}
	}
}

func (s *Server) blob(w http.ResponseWriter, r *http.Request, c cid.Cid) error {
	body, err := s.cfg.Answers.Blob(r.Context(), blobRequest(r, c))
	if err != nil {
		return err
	}
	sendBlob(w, r, body)
	return nil
}

func (s *Server) have(w http.ResponseWriter, _ *http.Request, c cid.Cid) error {
	leaves, err := s.cfg.Answers.Have(c)
	if err != nil {
		return err
	}
	send(w, leaves)
	return nil
}

func (s *Server) block(w http.ResponseWriter, r *http.Request, c cid.Cid) error {
	b, err := s.cfg.Answers.Block(r.Context(), c)
	if err != nil {
		return err
	}
	send(w, b)
	return nil
}

func (s *Server) doubt(w http.ResponseWriter, r *http.Request, c cid.Cid) error {
	leaf, err := strconv.Atoi(r.URL.Query().Get(leafParam))
	if err != nil || leaf < 0 {
		http.Error(w, "which leaf?", http.StatusBadRequest)
		return nil
	}
	if err := s.cfg.Answers.Doubt(asking(r), c, leaf); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// counted counts the bytes that are sent, and gives up on a member that takes none.
type counted struct {
	http.ResponseWriter
	s    *Server
	last time.Time
}

// Write implements io.Writer.
func (c *counted) Write(b []byte) (int, error) {
	if now := time.Now(); now.Sub(c.last) > c.s.cfg.Send/10 {
		c.last = now
		// A connection without deadlines of its own is bounded by its swarm.
		_ = http.NewResponseController(c.ResponseWriter).SetWriteDeadline(now.Add(c.s.cfg.Send))
	}
	n, err := c.ResponseWriter.Write(b)
	c.s.out.Add(int64(n))
	return n, err
}

// debugWriter receives net/http's own log, which reports connections that others broke.
type debugWriter struct{ log *logrus.Entry }

// Write implements io.Writer.
func (d debugWriter) Write(b []byte) (int, error) {
	d.log.Debugf("serve members: %s", b)
	return len(b), nil
}
