package transfer

import (
	"errors"
	"net/http"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
)

// Protocol is the stream protocol that HTTP runs over.
const Protocol protocol.ID = "/distribution-ipfs/blobs/1.0.0"

func newServer(t *Transfers) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/blobs/{cid}", t.serveBlob) // HEAD too
	mux.HandleFunc("GET /v1/blocks/{cid}", t.serveBlock)
	return &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 8 << 10}
}

// serveBlob answers for a range of a whole blob.
func (t *Transfers) serveBlob(w http.ResponseWriter, r *http.Request) {
	c, err := cid.Decode(r.PathValue("cid"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f, err := t.cfg.Blobs.Open(c)
	if err != nil {
		t.refuse(w, err)
		return
	}
	defer func() { _ = f.Close() }()
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(&counted{w, t}, r, "", time.Time{}, f)
}

// serveBlock answers for an inner block.
func (t *Transfers) serveBlock(w http.ResponseWriter, r *http.Request) {
	c, err := cid.Decode(r.PathValue("cid"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b, err := t.cfg.Blobs.Block(r.Context(), c)
	if err != nil {
		t.refuse(w, err)
		return
	}
	_, _ = (&counted{w, t}).Write(b)
}

func (t *Transfers) refuse(w http.ResponseWriter, err error) {
	if errors.Is(err, blob.ErrNotFound) {
		http.Error(w, "not here", http.StatusNotFound)
		return
	}
	t.log.WithError(err).Warn("serve a blob to a member")
	http.Error(w, "unreadable here", http.StatusInternalServerError)
}

// counted counts what is sent.
type counted struct {
	http.ResponseWriter
	t *Transfers
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.t.out.Add(int64(n))
	return n, err
}
