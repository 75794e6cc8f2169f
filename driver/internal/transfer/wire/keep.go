package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

const (
	sizeParam  = "size"
	headsParam = "heads"
	tokenParam = "upload"

	// maxKeepHeads is how many heads fit into the header of a request. A write has one.
	maxKeepHeads = 100
	// maxKeepWait bounds how long a member keeps a question open.
	maxKeepWait = 10 * time.Minute
)

// These errors say why a member does not keep a blob.
var (
	// ErrNoRoom reports that the member's disk is full.
	ErrNoRoom = errors.New("has no room for it")
	// ErrLate reports that the member did not get bytes or delta in the time that it was given.
	ErrLate = errors.New("did not get it in time")
	// ErrCannotGet reports that the member could not fetch the blob, from anybody.
	ErrCannotGet = errors.New("could not fetch it")
	// ErrLeaving reports that the member is being drained: its disk does not count.
	ErrLeaving = errors.New("is being drained")
	// ErrUnknown reports a member of a release that does not know the question.
	ErrUnknown = errors.New("its release does not acknowledge pushes: upgrade it")
)

// KeepRequest asks a member to have a blob on its disk, and the deltas that name it.
type KeepRequest struct {
	dag.Ref
	Peer  peer.ID       // the one that asks; empty when the connection does not tell
	Token string        // of the upload that became the blob, which the member took; "": it took none
	Heads []cid.Cid     // deltas that are to be merged; none: they are not known yet
	Wait  time.Duration // for how long at most
}

func (q *KeepRequest) path() string {
	params := url.Values{sizeParam: {strconv.FormatInt(q.Size, 10)}, waitParam: {q.Wait.String()}}
	if q.Token != "" {
		params.Set(tokenParam, q.Token)
	}
	if len(q.Heads) > 0 {
		heads := make([]string, len(q.Heads))
		for i, h := range q.Heads {
			heads[i] = h.String()
		}
		params.Set(headsParam, strings.Join(heads, ","))
	}
	return "blobs/" + q.CID.String() + "/keep?" + params.Encode()
}

// keepRequest reads what path wrote.
func keepRequest(r *http.Request, c cid.Cid) (*KeepRequest, error) {
	query := r.URL.Query()
	size, err := strconv.ParseInt(query.Get(sizeParam), 10, 64)
	ref := dag.Ref{CID: c, Size: size}
	if err != nil || ref.Check() != nil {
		return nil, errors.New("how many bytes?")
	}
	q := &KeepRequest{Ref: ref, Peer: asking(r), Wait: min(termsOf(query).Wait, maxKeepWait), Token: query.Get(tokenParam)}
	for text := range strings.SplitSeq(query.Get(headsParam), ",") {
		if text == "" {
			continue
		}
		head, err := cid.Decode(text)
		if err != nil {
			return nil, fmt.Errorf("head %q: %w", text, err)
		}
		q.Heads = append(q.Heads, head)
	}
	return q, nil
}

// Keep asks a member to have a blob, fetching it if need be, and to have merged the deltas that
// name it, and waits until all of that is on the member's disk. Without heads it returns only when
// ctx ends or the member gives up, and the member keeps the bytes meanwhile, whether or not an
// entry names them. taken is called once the member has said that it is at work; it may be nil.
func (c *Client) Keep(ctx context.Context, id peer.ID, q *KeepRequest, taken func()) error {
	if len(q.Heads) > maxKeepHeads {
		return fmt.Errorf("keep %s: the map has %d heads, and no more than %d can be named: try again", q.CID, len(q.Heads), maxKeepHeads)
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			if code == http.StatusProcessing && taken != nil {
				taken()
			}
			return nil
		},
	})
	resp, err := c.do(ctx, http.MethodPost, id, q.path(), "", http.StatusNoContent)
	if errors.Is(err, ErrGone) { // no answer of keep
		err = Blame(id, ErrUnknown)
	}
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (s *Server) keep(w http.ResponseWriter, r *http.Request, c cid.Cid) error {
	q, err := keepRequest(r, c)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil
	}
	if len(q.Heads) == 0 {
		leave, ok := s.holds.Enter(s.cfg.Source(r.RemoteAddr))
		if !ok {
			http.Error(w, "too many questions at once", http.StatusServiceUnavailable)
			return nil
		}
		defer leave()
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), q.Wait, ErrLate)
	defer cancel()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(q.Wait + s.cfg.Send))
	err = s.cfg.Answers.Keep(ctx, q, func() { w.WriteHeader(http.StatusProcessing) })
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case ctx.Err() != nil:
		return ErrLate
	}
	return err
}
