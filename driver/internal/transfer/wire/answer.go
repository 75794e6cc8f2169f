package wire

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
)

const (
	// partialHeader marks the 404 for a blob of which only some leaves are here, and says why.
	partialHeader = "Blob-Partial"
	arriving      = "true"    // the blob is being fetched: more leaves will be here
	damaged       = "damaged" // the blob was set aside: only its undamaged leaves are here

	// relaysHeader is a list of peer IDs, in the order in which to ask them.
	relaysHeader = "Blob-Relays"
	// maxRelays is how many of these IDs are read. It belongs together with schedule.MaxRelays,
	// which is how many a holder names; neither package may import the other.
	maxRelays = 8
)

// Part is what a member has of a blob that it does not hold whole.
type Part struct {
	Leaves  bitset.Set
	Damaged bool // the member's copy is damaged: it is not fetching the rest
}

// PartialError is the answer of a member that has only some leaves of a blob, to a request for
// all of it. It is an ErrGone.
type PartialError struct {
	Damaged bool // the member's copy is damaged: it is not fetching the rest
}

// Error implements error.
func (e *PartialError) Error() string { return "has only a part of it" }

// Unwrap returns ErrGone.
func (e *PartialError) Unwrap() error { return ErrGone }

// LackingError is the answer of a member that has some leaves of a blob, but not the one in
// which the requested range begins. It is an ErrNotYet.
type LackingError struct {
	Size    int64 // of the whole blob, in bytes
	Damaged bool  // the member's copy is damaged: it is not fetching the rest
}

// Error implements error.
func (e *LackingError) Error() string { return ErrNotYet.Error() }

// Unwrap returns ErrNotYet.
func (e *LackingError) Unwrap() error { return ErrNotYet }

// RelayedError is the answer of a holder that names other members, which have the leaf or get it
// earlier.
type RelayedError struct {
	IDs []peer.ID // in the order in which to ask them
}

// Error implements error.
func (e *RelayedError) Error() string { return fmt.Sprintf("named %d others to ask", len(e.IDs)) }

// refuse answers with an error that Answers returned. It returns false, and does nothing, when the
// error is not one that members are told.
func refuse(w http.ResponseWriter, err error) bool {
	var (
		partial *PartialError
		lacking *LackingError
		relayed *RelayedError
	)
	switch {
	case errors.As(err, &partial):
		w.Header().Set(partialHeader, why(partial.Damaged))
		http.Error(w, "not here", http.StatusNotFound)
	case errors.As(err, &lacking):
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", lacking.Size))
		text := "not here yet"
		if lacking.Damaged {
			text = "not right here"
		}
		http.Error(w, text, http.StatusRequestedRangeNotSatisfiable)
	case errors.As(err, &relayed):
		w.Header().Set(relaysHeader, names(relayed.IDs))
		http.Error(w, "others have it earlier", http.StatusMultipleChoices)
	case errors.Is(err, ErrGone):
		http.Error(w, "not here", http.StatusNotFound)
	case errors.Is(err, ErrStranger):
		http.Error(w, "trusted members only", http.StatusForbidden)
	case errors.Is(err, ErrNoLeaf):
		http.Error(w, "there is no such leaf", http.StatusBadRequest)
	case errors.Is(err, ErrTooMany):
		http.Error(w, "too many doubts", http.StatusTooManyRequests)
	case errors.Is(err, ErrNoRoom):
		http.Error(w, "no room", http.StatusInsufficientStorage)
	case errors.Is(err, ErrLeaving):
		http.Error(w, "being drained", http.StatusGone)
	case errors.Is(err, ErrLate):
		http.Error(w, "not in time", http.StatusGatewayTimeout)
	case errors.Is(err, ErrCannotGet):
		http.Error(w, "cannot get it", http.StatusBadGateway)
	default:
		return false
	}
	return true
}

// refusal reads what refuse wrote.
func refusal(resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusNotFound:
		if how := resp.Header.Get(partialHeader); how != "" {
			return &PartialError{Damaged: how == damaged}
		}
		return ErrGone
	case http.StatusRequestedRangeNotSatisfiable:
		return ErrNotYet
	case http.StatusMultipleChoices:
		return &RelayedError{readRelays(resp.Header.Get(relaysHeader))}
	case http.StatusForbidden:
		return ErrStranger
	case http.StatusInsufficientStorage:
		return ErrNoRoom
	case http.StatusGone:
		return ErrLeaving
	case http.StatusGatewayTimeout:
		return ErrLate
	case http.StatusBadGateway:
		return ErrCannotGet
	default:
		return fmt.Errorf("answers %s", resp.Status)
	}
}

func why(isDamaged bool) string {
	if isDamaged {
		return damaged
	}
	return arriving
}

func names(ids []peer.ID) string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = id.String()
	}
	return strings.Join(list, ",")
}

// readRelays reads what names wrote. A holder may name any members, and as many as it likes.
func readRelays(list string) (ids []peer.ID) {
	names := strings.SplitN(list, ",", maxRelays+1)
	for _, name := range names[:min(len(names), maxRelays)] {
		if id, err := peer.Decode(name); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// send answers with all of b.
func send(w http.ResponseWriter, b []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b) // it fails only when the asking registry has gone
}

// sendBlob answers with a blob, or a range of it. Where the body lacks bytes, the copying fails and
// the connection is cut, so that the other end sees that they are missing.
func sendBlob(w http.ResponseWriter, r *http.Request, body io.ReadSeekCloser) {
	defer func() { _ = body.Close() }()
	http.ServeContent(w, r, "", time.Time{}, body)
}
