package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer"
)

// unavailable is the code of a refusal after which a later try may succeed. The OCI
// distribution specification has no code for that.
const unavailable = "UNAVAILABLE"

const (
	behindRetry      = time.Second      // changes that were named arrive soon
	unreachableRetry = 10 * time.Second // a member that is away may come back
	pinnedRetry      = 5 * time.Second  // the push that uses a blob ends
)

// behind is the answer to a request that cannot be told "not found" yet.
func behind(ctx context.Context, err error) error {
	return refuse(ctx, Refusal{Status: http.StatusServiceUnavailable, Code: unavailable, Retry: behindRetry, Err: err})
}

// open reads an entry's bytes from offset on. Bytes that no reachable registry holds are
// not a missing path: the answer is 503, and names the registry that should have them.
func (s *store) open(ctx context.Context, path string, e pathmap.Entry, offset int64) (io.ReadCloser, error) {
	s.digests.note(path, e.CID)
	body, err := s.transfers.Open(ctx, refOf(e), offset)
	if err != nil {
		return nil, s.unreachable(ctx, path, err)
	}
	return body, nil
}

// unreachable makes a Refusal of a failure of a transfer. It returns any other error
// unchanged.
func (s *store) unreachable(ctx context.Context, path string, err error) error {
	var failed *transfer.Unavailable
	switch {
	case errors.As(err, &failed):
		m := s.missingBytes(ctx, failed, s.paths.View().Writer(path))
		return refuse(ctx, Refusal{
			Status: http.StatusServiceUnavailable, Code: unavailable, Retry: unreachableRetry, Err: m, Detail: m.detail(), Absent: true,
		})
	case errors.Is(err, transfer.ErrClosing):
		return refuse(ctx, Refusal{Status: http.StatusServiceUnavailable, Code: unavailable, Retry: unreachableRetry, Err: err})
	case errors.Is(err, blob.ErrPinned):
		return refuse(ctx, Refusal{Status: http.StatusServiceUnavailable, Code: unavailable, Retry: pinnedRetry, Err: err})
	}
	return err
}

// missingBytes tells why some bytes are not here.
func (s *store) missingBytes(ctx context.Context, failed *transfer.Unavailable, pushedTo string) missingBytes {
	m := missingBytes{Unavailable: failed, pushedTo: pushedTo, called: s.engine.Called, away: s.mayHold(failed.CID, pushedTo)}
	if pushedTo != "" {
		m.how = s.hasMet(ctx, pushedTo, failed.CID)
	}
	return m
}

// hasMet describes whether this registry has met the one to which a blob was pushed.
func (s *store) hasMet(ctx context.Context, id string, c cid.Cid) string {
	switch {
	case id == s.engine.Self() && (s.engine.Copies.Keeps(c) || s.blobs.Lost(ctx, c)):
		return "which is this registry: its file is gone"
	case id == s.engine.Self():
		return "which is this registry: it is no keeper of it, and it left the cache here"
	case s.engine.Offline():
		return "and this registry is offline"
	case s.engine.Connected(id):
		return "which is connected but does not give it"
	}
	return "which is not connected"
}

// missingBytes tells a client that no reachable registry holds some bytes.
type missingBytes struct {
	*transfer.Unavailable
	pushedTo string // a peer ID; empty: no longer known
	how      string // it is known what happened to it there
	away     absent
	called   func(id string) string
}

// Error implements error.
func (m missingBytes) Error() string {
	text := fmt.Sprintf("fetch %s: no reachable member gave it", m.CID)
	if m.pushedTo != "" {
		text += fmt.Sprintf("; it was pushed to %s, %s", m.called(m.pushedTo), m.how)
	}
	text += m.away.text(m.called)
	if m.Damaged {
		text += "; the copy here is damaged, and was set aside"
	}
	return text + "; start a registry that holds it, or push it again"
}

// Unwrap gives the transfer's own error.
func (m missingBytes) Unwrap() error { return m.Unavailable }

// missingDetail is the machine-readable form of that error.
type missingDetail struct {
	CID      string   `json:"cid"`
	PushedTo string   `json:"pushedTo,omitempty"`
	Asked    []string `json:"asked"`
	Away     []string `json:"away"` // members that may hold it: its keepers, or, where none is away, all that are
	Cause    string   `json:"cause,omitempty"`
}

func (m missingBytes) detail() missingDetail {
	d := missingDetail{CID: m.CID.String(), PushedTo: m.pushedTo, Asked: []string{}, Away: append([]string{}, m.away.ids...)}
	for _, id := range m.Asked {
		d.Asked = append(d.Asked, id.String())
	}
	if m.Cause != nil {
		d.Cause = m.Cause.Error()
	}
	return d
}
