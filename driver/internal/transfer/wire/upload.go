package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

const (
	uploadsPath = "/v1/uploads/"
	// maxToken is more bytes than a token has.
	maxToken = 64
	// maxTakeWait bounds how long a member takes an upload, whose client may be slow.
	maxTakeWait = time.Hour
	// uploadBuffer is how many bytes of an upload are sent at once.
	uploadBuffer = 128 << 10
)

// TakeRequest asks a member to take an upload while it grows.
type TakeRequest struct {
	Token string        // by which the member gets it, and finds it again when it has become a blob
	Peer  peer.ID       // the one that asks; empty when the connection does not tell
	Size  int64         // bytes that it will have; 0: that is not known
	Wait  time.Duration // for how long at most
}

// Take asks a member to take an upload, and to hold it until the member is asked to keep the blob
// that it becomes. It returns when ctx ends, or the member gives up or has done so.
func (c *Client) Take(ctx context.Context, id peer.ID, q *TakeRequest) error {
	path := fmt.Sprintf("uploads/%s/take?%s=%d&%s=%s", q.Token, sizeParam, q.Size, waitParam, q.Wait)
	resp, err := c.do(ctx, http.MethodPost, id, path, "", http.StatusNoContent)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Upload gets an upload of a member, from its first byte on, as it grows. It ends with the upload,
// or earlier, when that is given up.
func (c *Client) Upload(ctx context.Context, id peer.ID, token string) (io.ReadCloser, error) {
	resp, err := c.do(ctx, http.MethodGet, id, "uploads/"+token, "", http.StatusOK)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

func (s *Server) take(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	size, err := strconv.ParseInt(query.Get(sizeParam), 10, 64)
	token := r.PathValue("token")
	if err != nil || size < 0 || size > dag.MaxSize || len(token) > maxToken {
		http.Error(w, "which upload?", http.StatusBadRequest)
		return
	}
	leave, ok := s.early.Enter(s.cfg.Source(r.RemoteAddr))
	if !ok {
		refuse(w, ErrTooMany)
		return
	}
	defer leave()
	q := &TakeRequest{Token: token, Peer: asking(r), Size: size, Wait: min(termsOf(query).Wait, maxTakeWait)}
	ctx, cancel := context.WithTimeoutCause(r.Context(), q.Wait, ErrLate)
	defer cancel()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(q.Wait + s.cfg.Send))
	switch err := s.cfg.Answers.Take(ctx, q); {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case ctx.Err() != nil:
		refuse(w, ErrLate)
	case !refuse(w, err):
		s.cfg.Log.WithError(err).Debug("an upload of a member is not taken")
		refuse(w, ErrCannotGet)
	}
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	body, err := s.cfg.Answers.Upload(r.Context(), asking(r), r.PathValue("token"))
	if err != nil {
		if errors.Is(err, ErrGone) {
			refuse(w, ErrGone)
			return
		}
		http.Error(w, "unreadable here", http.StatusInternalServerError)
		return
	}
	defer func() { _ = body.Close() }()
	w.Header().Set("Content-Type", "application/octet-stream")
	_, err = io.CopyBuffer(struct{ io.Writer }{s.counted(w, r)}, struct{ io.Reader }{body}, make([]byte, uploadBuffer))
	if err != nil {
		panic(http.ErrAbortHandler) // the other end sees that there was more
	}
}
