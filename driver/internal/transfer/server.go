package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strconv"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
)

// Protocol is the stream protocol that HTTP runs over.
const Protocol protocol.ID = "/distribution-ipfs/blobs/1.0.0"

const (
	// partialHeader marks the 404 for a blob of which leaves are here, and says why not all.
	partialHeader = "Blob-Partial"
	// fetchingParam means that the asking registry is fetching the blob itself.
	fetchingParam = "fetching"
	// relayParam means that the asking registry accepts the bytes from another registry
	// that asked for them earlier.
	relayParam = "relay"
	// waitParam is how long the asking registry would rather wait than be told that a leaf
	// is not here yet.
	waitParam = "wait"

	// maxRequestsFrom and maxRequests are how many requests are answered at once, of one
	// member and in all. A registry asks each member for a few ranges a transfer, and once
	// for each blob that it looks for.
	maxRequestsFrom = 256
	maxRequests     = 4096
)

func (t *Transfers) newServer() *http.Server {
	return &http.Server{
		Handler:           t.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      t.timing.send, // counted puts it off
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          log.New(debugWriter{t.log}, "", 0),
	}
}

// handler answers members. It does not depend on the listener that it serves.
//
//	GET, HEAD /v1/blobs/<cid>       a blob, or a range of it; 404 when it is not here,
//	                                with a Blob-Partial header when some leaves are:
//	                                then ranges that begin in such a leaf are answered,
//	                                and with ?wait=<duration> those in a leaf that will be;
//	                                with ?relay perhaps a 300 whose Blob-Relays header
//	                                names who has the bytes earlier (relays);
//	                                with ?remains also what is right of a damaged blob,
//	                                for which the header says so
//	GET       /v1/blobs/<cid>/have  which leaves are here (bitset.Set)
//	POST      /v1/blobs/<cid>/doubt?leaf=<n>
//	                                who asks got other bytes than that leaf's; 202 when
//	                                it will be looked at, 429 after too many
//	GET       /v1/blocks/<cid>      an inner block; leaves are ranges of their blob
//
// A request has no body. HEAD with ?fetching tells that the asking registry is fetching the
// blob, too.
func (t *Transfers) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/blobs/{cid}", t.answer(t.serveBlob)) // HEAD too
	mux.HandleFunc("GET /v1/blobs/{cid}/have", t.answer(t.serveHave))
	mux.HandleFunc("POST /v1/blobs/{cid}/doubt", t.answer(t.serveDoubt))
	mux.HandleFunc("GET /v1/blocks/{cid}", t.answer(t.serveBlock))
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

type serve func(w http.ResponseWriter, r *http.Request, c cid.Cid) error

// answer handles one request, for which Close waits.
func (t *Transfers) answer(f serve) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// Connections outlive memberships: each request is admitted anew.
		if !t.cfg.Swarm.Admits(r.RemoteAddr) {
			w.Header().Set("Connection", "close")
			http.Error(w, "not a member", http.StatusForbidden)
			return
		}
		if !t.requests.Enter(r.RemoteAddr) {
			http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
			return
		}
		defer t.requests.Leave(r.RemoteAddr)
		if !t.hold() {
			http.Error(w, ErrClosing.Error(), http.StatusServiceUnavailable)
			return
		}
		defer t.wg.Done()
		c, err := cid.Decode(r.PathValue("cid"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		err = f(&counted{ResponseWriter: w, t: t}, r, c)
		switch {
		case err == nil:
		case errors.Is(err, blob.ErrNotFound):
			http.Error(w, "not here", http.StatusNotFound)
		default:
			t.log.WithError(err).Warn("cannot read a blob for a member")
			http.Error(w, "unreadable here", http.StatusInternalServerError)
		}
	}
}

func (t *Transfers) serveBlob(w http.ResponseWriter, r *http.Request, c cid.Cid) error {
	f, err := t.cfg.Blobs.Open(c)
	if errors.Is(err, blob.ErrNotFound) {
		if j := t.job(c); j != nil && j.lend() {
			defer j.giveBack()
			return j.serve(w, r)
		}
		f, err = t.cfg.Blobs.Open(c) // a transfer may have ended just now
	}
	if errors.Is(err, blob.ErrNotFound) {
		return t.serveRemains(w, r, c)
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if t.relayed(w, r, c, info.Size()) {
		return nil
	}
	http.ServeContent(w, r, "", time.Time{}, f)
	return nil
}

// serve answers for a blob on its way here with the leaves that have arrived.
func (j *job) serve(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Has(fetchingParam) {
		j.meet(r.RemoteAddr)
	}
	from, _, ok := rangeOf(r)
	if !ok {
		w.Header().Set(partialHeader, arriving)
		return blob.ErrNotFound
	}
	if r.URL.Query().Has(waitParam) {
		j.await(r.Context(), leafAt(from), r.URL.Query().Get(waitParam))
	}
	p := j.plan.blob()
	if p == nil || from >= j.ref.Size || !j.plan.has(leafAt(from)) {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", j.ref.Size))
		http.Error(w, "not here yet", http.StatusRequestedRangeNotSatisfiable)
		return nil
	}
	// When the next leaf is not here the copying fails, and the connection is cut, so that
	// the other end sees that bytes are missing.
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(p, 0, j.ref.Size))
	return nil
}

// rangeOf returns the first and the last byte of a range; false when either is left open,
// since members know how long a blob is.
func rangeOf(r *http.Request) (from, to int64, ok bool) {
	n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
	return from, to, n == 2 && from >= 0 && to >= from
}

// await waits until a leaf is here, but no longer than most, a duration.
func (j *job) await(ctx context.Context, leaf int, most string) {
	patience, err := time.ParseDuration(most)
	if err != nil {
		return
	}
	late := time.NewTimer(min(patience, j.t.timing.ask))
	defer late.Stop()
	for {
		changed := j.changed.wait()
		if leaf >= leavesOf(j.ref.Size) || j.plan.has(leaf) {
			return
		}
		select {
		case <-changed:
		case <-late.C:
			return
		case <-j.done:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (t *Transfers) serveHave(w http.ResponseWriter, _ *http.Request, c cid.Cid) error {
	var have bitset.Set
	size, err := t.cfg.Blobs.Size(c)
	if err == nil {
		have = bitset.Full(leavesOf(size))
	} else if j := t.job(c); j != nil && errors.Is(err, blob.ErrNotFound) {
		have = j.plan.verified()
		if have == nil {
			have = bitset.Set{} // of nothing yet
		}
	} else if m, ok := t.cfg.Blobs.Remains(c); ok {
		have = m.Right
	}
	if have == nil {
		return errors.Join(err, blob.ErrNotFound)
	}
	return send(w, have)
}

func (t *Transfers) serveBlock(w http.ResponseWriter, r *http.Request, c cid.Cid) error {
	b, err := t.cfg.Blobs.InnerBlock(r.Context(), c)
	if err != nil {
		return err
	}
	return send(w, b)
}

func send(w http.ResponseWriter, b []byte) error {
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b) // the asking registry has gone
	return nil
}

// counted counts the bytes that are sent, and gives up on a member that takes none.
type counted struct {
	http.ResponseWriter
	t    *Transfers
	last time.Time
}

func (c *counted) Write(b []byte) (int, error) {
	if now := time.Now(); now.Sub(c.last) > c.t.timing.send/10 {
		c.last = now
		// A connection without deadlines of its own is bounded by its swarm.
		_ = http.NewResponseController(c.ResponseWriter).SetWriteDeadline(now.Add(c.t.timing.send))
	}
	n, err := c.ResponseWriter.Write(b)
	c.t.out.Add(int64(n))
	return n, err
}

// debugWriter receives net/http's own log, which reports connections that others broke.
type debugWriter struct{ log *logrus.Entry }

func (d debugWriter) Write(b []byte) (int, error) {
	d.log.Debugf("serve members: %s", b)
	return len(b), nil
}
