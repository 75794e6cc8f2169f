package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

const (
	// maxBlock is more than any inner block has: 1024 links of some 50 bytes.
	maxBlock = 128 << 10
	// maxRefusal is more bytes than any refusal has.
	maxRefusal = 512
)

// Client asks members over HTTP, at their data ports and over streams. Its errors are
// MemberErrors. It is safe for concurrent use.
type Client struct{ transports *transports }

// NewClient makes one. Dialing ends when alive is done, and takes at most patience; so many
// connections to a member as warm says are kept for further requests.
func NewClient(alive context.Context, s Swarm, patience time.Duration, warm int) *Client {
	return &Client{newTransports(alive, s, patience, warm)}
}

// UsesData reports whether a member is asked at its data port now, and not over a stream
// because it has none or it failed lately.
func (c *Client) UsesData(id peer.ID) bool { return c.transports.usesData(id) }

// DataIn is how many bytes of blobs were received at data ports.
func (c *Client) DataIn() int64 { return c.transports.in.Load() }

// Close closes the connections that are kept for further requests.
func (c *Client) Close() { c.transports.close() }

// do sends one request; the caller closes the body.
func (c *Client) do(ctx context.Context, method string, id peer.ID, path, ranges string, want int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("http://%s/v1/%s", peer.ToCid(id), path), nil)
	if err != nil {
		return nil, err
	}
	if ranges != "" {
		req.Header.Set("Range", ranges)
	}
	resp, err := c.transports.send(req, id)
	if err != nil {
		return nil, Blame(id, err)
	}
	if resp.StatusCode == want {
		return resp, nil
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxRefusal) // its end: the connection is used again
	_ = resp.Body.Close()
	return nil, Blame(id, refusal(resp))
}

// body is do for a short body that is read whole.
func (c *Client) body(ctx context.Context, id peer.ID, path string, most int64) ([]byte, error) {
	resp, err := c.do(ctx, http.MethodGet, id, path, "", http.StatusOK)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return nil, Blame(id, err)
	}
	if int64(len(b)) > most {
		return nil, Blame(id, fmt.Errorf("more than %d bytes: %w", most, ErrLied))
	}
	return b, nil
}

// Block gets an inner block; its bytes are not verified.
func (c *Client) Block(ctx context.Context, id peer.ID, block cid.Cid) ([]byte, error) {
	return c.body(ctx, id, "blocks/"+block.String(), maxBlock)
}

// Span gets the bytes [from, to) of a blob. A copy that is too short for them is ErrLied; a
// member that has not yet the leaf in which they begin, ErrNotYet; one that under terms that
// allow it names others to ask, a RelayedError.
func (c *Client) Span(ctx context.Context, id peer.ID, root cid.Cid, from, to int64, how Terms) (io.ReadCloser, error) {
	resp, err := c.do(ctx, http.MethodGet, id, "blobs/"+root.String()+how.query(),
		fmt.Sprintf("bytes=%d-%d", from, to-1), http.StatusPartialContent)
	if err != nil {
		return nil, err
	}
	if n := resp.ContentLength; n >= 0 && n != to-from {
		_ = resp.Body.Close()
		return nil, Blame(id, fmt.Errorf("%d bytes from %d on, not %d: %w", n, from, to-from, ErrLied))
	}
	return resp.Body, nil
}

// Holds asks what a member has of a blob: all, some leaves, or nothing. An error means that
// there was no answer. With fetching the member learns that self is fetching the blob, and
// is asked which leaves it has if it is fetching the blob, too, or its copy is damaged;
// otherwise that set is empty. A nil Part is nothing.
func (c *Client) Holds(ctx context.Context, id peer.ID, ref dag.Ref, fetching bool) (whole bool, some *Part, err error) {
	path := "blobs/" + ref.CID.String()
	if fetching {
		path += "?" + fetchingParam
	}
	resp, err := c.do(ctx, http.MethodHead, id, path, "", http.StatusOK)
	var partial *PartialError
	switch {
	case err == nil:
		return true, nil, resp.Body.Close()
	case errors.As(err, &partial):
		some = &Part{Damaged: partial.Damaged}
	case errors.Is(err, ErrGone):
		return false, nil, nil
	default:
		return false, nil, err
	}
	if !fetching {
		return false, some, nil
	}
	some.Leaves, err = c.Have(ctx, id, ref)
	if errors.Is(err, ErrGone) {
		err = nil // it has just begun, or just lost it
	}
	return false, some, err
}

// Have asks which leaves of a blob a member has. The set has no leaves beyond the blob's
// end.
func (c *Client) Have(ctx context.Context, id peer.ID, ref dag.Ref) (bitset.Set, error) {
	return c.body(ctx, id, "blobs/"+ref.CID.String()+"/have", int64(len(bitset.New(dag.LeavesOf(ref.Size)))))
}

// Doubt tells a holder that a leaf of its copy arrived damaged. A holder of an older
// release does not know the request, and answers so.
func (c *Client) Doubt(ctx context.Context, id peer.ID, root cid.Cid, leaf int) error {
	path := fmt.Sprintf("blobs/%s/doubt?%s=%d", root, leafParam, leaf)
	resp, err := c.do(ctx, http.MethodPost, id, path, "", http.StatusAccepted)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
