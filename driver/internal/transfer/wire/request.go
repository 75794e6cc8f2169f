package wire

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Parameters of a request.
const (
	relayParam   = "relay"
	waitParam    = "wait"
	remainsParam = "remains"
	// fetchingParam means that the asking registry is fetching the blob itself.
	fetchingParam = "fetching"
	// leafParam names the leaf that is in doubt.
	leafParam = "leaf"
)

// Terms are the conditions under which a range is asked for.
type Terms struct {
	// Relay means that the asking registry accepts the bytes from another registry that
	// asked for them earlier: the answer may be a RelayedError.
	Relay bool
	// Wait is how long to wait for a leaf that is not here yet before saying so. If it is not
	// positive, nobody waits.
	Wait time.Duration
	// Remains means that the asking registry knows that the copy is damaged. It may get
	// some leaves and then find that nobody has the rest, so it must not promise the blob
	// to a client yet.
	Remains bool
}

// query returns the terms as the end of a URL.
func (t Terms) query() string {
	var params []string
	if t.Relay {
		params = append(params, relayParam)
	}
	if t.Wait > 0 {
		params = append(params, waitParam+"="+t.Wait.String())
	}
	if t.Remains {
		params = append(params, remainsParam)
	}
	if len(params) == 0 {
		return ""
	}
	return "?" + strings.Join(params, "&")
}

// termsOf reads what query wrote. A Wait that cannot be parsed is 0.
func termsOf(query url.Values) Terms {
	wait, _ := time.ParseDuration(query.Get(waitParam)) // 0 when it cannot be parsed
	return Terms{Relay: query.Has(relayParam), Wait: max(wait, 0), Remains: query.Has(remainsParam)}
}

// BlobRequest asks for a blob, or for a range of it.
type BlobRequest struct {
	CID      cid.Cid
	Peer     peer.ID // the peer that asks; empty when the connection does not tell
	Fetching bool    // that peer is fetching the blob, too
	Ranged   bool    // the request is for the range from From to To
	From, To int64   // the first byte and the last
	Terms
}

func blobRequest(r *http.Request, c cid.Cid) *BlobRequest {
	query := r.URL.Query()
	q := &BlobRequest{CID: c, Peer: asking(r), Fetching: query.Has(fetchingParam), Terms: termsOf(query)}
	q.From, q.To, q.Ranged = rangeOf(r)
	return q
}

// asking returns the peer that sent a request. Its ID is the remote address of the connection.
func asking(r *http.Request) peer.ID {
	id, _ := peer.Decode(r.RemoteAddr)
	return id
}

// rangeOf returns the first and the last byte of a range. It returns false when either is missing:
// members give both, since they know how long a blob is.
func rangeOf(r *http.Request) (from, to int64, ok bool) {
	n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
	return from, to, n == 2 && from >= 0 && to >= from
}
