package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// MaxCopies is how many blobs one question about copies names at most.
	MaxCopies = 1000

	copiesPath   = "/v1/copies"
	maxQuestion  = 256 << 10        // bytes; 1000 CIDs take some 62,000
	maxCopies    = 256 << 10        // bytes of an answer; 1000 take some 50,000
	questionTime = 10 * time.Second // for the question to come, and again to find its answer
)

// CopiesQuestion asks what a member has of each of some blobs.
type CopiesQuestion struct {
	CIDs []cid.Cid
	// Relies means that the asker counts on the copies which are kept: asking for them then
	// counts as asking who holds a blob does, and keeps unnamed bytes from being removed.
	Relies bool
}

// Copy is what a member has of a blob. The zero Copy is nothing.
type Copy struct {
	Whole  bool `json:"whole,omitempty"`
	Kept   bool `json:"kept,omitempty"`   // whole, safe on its disk, to be kept there, and not being given up
	Leaves int  `json:"leaves,omitempty"` // that are here
	Of     int  `json:"of,omitempty"`     // as many leaves does the blob have; 0: it is not known there
}

type (
	copiesMsg struct {
		CIDs   list[string] `json:"cids"`
		Relies bool         `json:"relies,omitempty"`
	}
	copiesAnswer struct {
		Copies list[Copy] `json:"copies"`
	}
)

var errQuestion = errors.New("not a question about copies")

// Copies asks a member, and returns one Copy for each CID, in their order. It fails with members of
// earlier releases, which do not know this request.
func (c *Client) Copies(ctx context.Context, id peer.ID, q CopiesQuestion) ([]Copy, error) {
	if len(q.CIDs) > MaxCopies {
		return nil, fmt.Errorf("ask about copies of %d blobs: at most %d at once", len(q.CIDs), MaxCopies)
	}
	msg := copiesMsg{CIDs: make(list[string], len(q.CIDs)), Relies: q.Relies}
	for i, c := range q.CIDs {
		msg.CIDs[i] = c.String()
	}
	body, err := json.Marshal(msg)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://%s%s", peer.ToCid(id), copiesPath), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := c.exchange(req, id, http.StatusOK)
	if err != nil {
		return nil, err
	}
	b, err := wholeBody(id, resp, maxCopies)
	if err != nil {
		return nil, err
	}
	var a copiesAnswer
	if err = json.Unmarshal(b, &a); err == nil && len(a.Copies) != len(q.CIDs) {
		err = fmt.Errorf("%d copies, not %d: %w", len(a.Copies), len(q.CIDs), ErrLied)
	}
	if err != nil {
		return nil, Blame(id, err)
	}
	return a.Copies, nil
}

// answerCopies answers what Client.Copies asks.
func (s *Server) answerCopies(w http.ResponseWriter, r *http.Request) {
	leave, ok := s.copies.Enter(s.cfg.Source(r.RemoteAddr))
	if !ok {
		http.Error(w, "too many questions at once", http.StatusServiceUnavailable)
		return
	}
	defer leave()
	q, err := readQuestion(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // all of it has come
	ctx, cancel := context.WithTimeout(r.Context(), questionTime)
	defer cancel()
	copies, err := s.cfg.Answers.Copies(ctx, asking(r), q)
	var b []byte
	if err == nil {
		b, err = json.Marshal(copiesAnswer{copies})
	}
	if err != nil {
		if !refuse(w, err) {
			s.cfg.Log.WithError(err).Debug("cannot tell a member about copies")
			http.Error(w, "not known now", http.StatusServiceUnavailable)
		}
		return
	}
	w.Header().Set("Content-Type", "application/json")
	send(w, b)
}

func readQuestion(r *http.Request) (q CopiesQuestion, err error) {
	var msg copiesMsg
	if err := json.NewDecoder(r.Body).Decode(&msg); err != nil {
		return q, fmt.Errorf("%w: %w", errQuestion, err)
	}
	q = CopiesQuestion{CIDs: make([]cid.Cid, len(msg.CIDs)), Relies: msg.Relies}
	for i, text := range msg.CIDs {
		if q.CIDs[i], err = readCID(text); err != nil {
			return q, fmt.Errorf("%w: %w", errQuestion, err)
		}
	}
	return q, nil
}
