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
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/spans"
)

// Answers are the functions that answer members. Each may return ErrGone, Blob also a PartialError,
// LackingError or RelayedError, Doubt also ErrNoLeaf or ErrTooMany, and Copies also ErrStranger. Any
// other error is logged, and the member is told only that the blob is unreadable. All are called
// concurrently.
type Answers struct {
	// Blob opens a blob. Only the requested range of it needs to be there.
	Blob func(context.Context, *BlobRequest) (io.ReadSeekCloser, error)
	// Have returns the leaves of a blob that are here, to a member that asks.
	Have func(from peer.ID, c cid.Cid) (bitset.Set, error)
	// Block returns an inner block.
	Block func(context.Context, cid.Cid) ([]byte, error)
	// Keep waits until a blob is here as it is asked for, and calls taken once it is at work. The
	// errors that the member is told are ErrNoRoom, ErrStranger, ErrLeaving, ErrLate and
	// ErrCannotGet.
	Keep func(ctx context.Context, q *KeepRequest, taken func()) error
	// Take takes an upload of a member while it grows, until it has become a blob. It may return
	// the errors of Keep.
	Take func(ctx context.Context, q *TakeRequest) error
	// Upload opens an upload that is here and grows, for a member that was asked to take it.
	Upload func(ctx context.Context, from peer.ID, token string) (io.ReadCloser, error)
	// Doubt notes that a member received bytes that are not those of this leaf.
	Doubt func(from peer.ID, root cid.Cid, leaf int) error
	// Copies says what is here of each of some blobs, in their order. ctx bounds it.
	Copies func(ctx context.Context, from peer.ID, q CopiesQuestion) ([]Copy, error)
}

// ServerConfig is what a Server is made of.
type ServerConfig struct {
	Answers Answers
	Admits  func(remote string) bool         // whether requests from a remote address may be answered now
	Source  func(remote string) limit.Source // who is at a remote address
	Trusts  func(peer.ID) bool               // whose traces are gone on with (package spans); nil: nobody's
	Budget  *limit.Budget
	Send    time.Duration // how long a member may take none of the bytes sent to it
	Log     *logrus.Entry
}

// Server answers members, over whichever listeners it serves. It is safe for concurrent use.
type Server struct {
	*http.Server
	cfg      ServerConfig
	requests *limit.Bound // being answered
	copies   *limit.Bound // of these the questions about copies
	holds    *limit.Bound // and those to keep what has no entry yet
	early    *limit.Bound // and those to take an upload while it grows
	readers  readers
	out      atomic.Int64 // bytes sent

	mu       sync.Mutex
	closed   bool
	answered sync.WaitGroup
}

// NewServer makes a Server. It answers nobody before Serve.
func NewServer(cfg ServerConfig) *Server {
	s := &Server{
		cfg: cfg, requests: cfg.Budget.Bound(limit.Requests), copies: cfg.Budget.Bound(limit.CopiesQuestions),
		holds: cfg.Budget.Bound(limit.Holds), early: cfg.Budget.Bound(limit.EarlyUploads), readers: readers{sending: map[*counted]struct{}{}},
	}
	s.Server = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      cfg.Send, // counted extends it
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          log.New(debugWriter{cfg.Log}, "", 0),
	}
	return s
}

// Serve answers at a listener until Close or until the listener is closed. An error says why it
// ended otherwise.
func (s *Server) Serve(l net.Listener) error {
	err := s.Server.Serve(l)
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Out returns how many bytes were sent.
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

// hold makes Close wait until answered.Done. It returns false when the server is closing already.
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
	mux.HandleFunc("GET /v1/blobs/{cid}", s.answer("ipfs serve", s.blob)) // HEAD too
	mux.HandleFunc("GET /v1/blobs/{cid}/have", s.answer("", s.have))
	mux.HandleFunc("POST /v1/blobs/{cid}/doubt", s.answer("", s.doubt))
	mux.HandleFunc("POST /v1/blobs/{cid}/keep", s.answer("ipfs keep", s.keep))
	mux.HandleFunc("POST "+uploadsPath+"{token}/take", s.admitted(s.take))
	mux.HandleFunc("GET "+uploadsPath+"{token}", s.admitted(s.upload))
	mux.HandleFunc("GET /v1/blocks/{cid}", s.answer("ipfs serve", s.block))
	mux.HandleFunc("POST "+copiesPath, s.admitted(s.answerCopies))
	return bounded(mux)
}

// bounded refuses a request with a body before anybody reads from the body, even net/http, which
// would wait for its rest. Only questions about copies have one, which has to come soon.
func bounded(next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch n := r.ContentLength; {
		case n == 0:
		case n > 0 && n <= maxQuestion && r.Method == http.MethodPost && r.URL.Path == copiesPath:
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(questionTime))
		default:
			_ = http.NewResponseController(w).SetReadDeadline(time.Now())
			w.Header().Set("Connection", "close")
			http.Error(w, "requests have no body here", http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// answer makes a handler of f. Its spans have a name; "": it has none.
func (s *Server) answer(name string, f func(http.ResponseWriter, *http.Request, cid.Cid) error) http.HandlerFunc {
	return s.admitted(func(w http.ResponseWriter, r *http.Request) {
		c, err := readCID(r.PathValue("cid"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		r, span := s.follow(r, name)
		defer span.End()
		out := s.counted(w, r)
		err = f(out, r, c)
		describe(span, r, c, out, err)
		if err != nil && !refuse(w, err) {
			s.cfg.Log.WithError(err).Warn("cannot read a blob for a member")
			http.Error(w, "unreadable here", http.StatusInternalServerError)
			spans.Fail(span, err)
		}
	})
}

func (s *Server) blob(w http.ResponseWriter, r *http.Request, c cid.Cid) error {
	body, err := s.cfg.Answers.Blob(r.Context(), blobRequest(r, c))
	if err != nil {
		return err
	}
	sendBlob(w, r, body)
	return nil
}

func (s *Server) have(w http.ResponseWriter, r *http.Request, c cid.Cid) error {
	leaves, err := s.cfg.Answers.Have(asking(r), c)
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

// debugWriter receives net/http's own log, which reports connections that the other end broke.
type debugWriter struct{ log *logrus.Entry }

// Write implements io.Writer.
func (d debugWriter) Write(b []byte) (int, error) {
	d.log.Debugf("serve members: %s", b)
	return len(b), nil
}
