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
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/spans"
)

const (
	// maxBlock is more bytes than any inner block has: 1024 links of some 50 bytes each.
	maxBlock = 128 << 10
	// maxRefusal is more bytes than the body of any refusal has.
	maxRefusal = 512
)

// Client asks members over HTTP, at their data ports or over streams. What goes wrong with a
// member is a MemberError. A Client is safe for concurrent use.
type Client struct{ transports *transports }

// NewClient makes a Client. Dialing ends when alive is done, and takes at most patience. Up to warm
// idle connections to each member are kept for further requests.
func NewClient(alive context.Context, s Swarm, patience time.Duration, warm int) *Client {
	return &Client{newTransports(alive, s, patience, warm)}
}

// UsesData reports whether a request to a member goes to its data port now. Otherwise it goes over
// a stream, because the member has no data port or the data port failed lately.
func (c *Client) UsesData(id peer.ID) bool { return c.transports.usesData(id) }

// DataIn returns how many bytes of blobs were received from data ports.
func (c *Client) DataIn() int64 { return c.transports.in.Load() }

// Close closes the connections that are kept for further requests.
func (c *Client) Close() { c.transports.close() }

// do sends one request, and returns an answer with the status want. The caller closes the body.
func (c *Client) do(ctx context.Context, method string, id peer.ID, path, ranges string, want int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("http://%s/v1/%s", peer.ToCid(id), path), nil)
	if err != nil {
		return nil, err
	}
	if ranges != "" {
		req.Header.Set("Range", ranges)
	}
	spans.Inject(ctx, req.Header)
	req.Header["X-Idempotency-Key"] = nil // not sent: a POST, too, may go over another connection when one breaks
	return c.exchange(req, id, want)
}

// exchange sends a request, and returns an answer with the status want.
func (c *Client) exchange(req *http.Request, id peer.ID, want int) (*http.Response, error) {
	resp, err := c.transports.send(req, id)
	if err != nil {
		return nil, Blame(id, err)
	}
	if resp.StatusCode == want {
		return resp, nil
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxRefusal) // read to its end, the connection is reused
	_ = resp.Body.Close()
	return nil, Blame(id, refusal(resp))
}

// body sends a GET request, and returns the whole body of the answer, of at most most bytes.
func (c *Client) body(ctx context.Context, id peer.ID, path string, most int64) ([]byte, error) {
	resp, err := c.do(ctx, http.MethodGet, id, path, "", http.StatusOK)
	if err != nil {
		return nil, err
	}
	return wholeBody(id, resp, most)
}

// wholeBody reads and closes the body of an answer, of at most most bytes.
func wholeBody(id peer.ID, resp *http.Response, most int64) ([]byte, error) {
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

// Block gets an inner block. It does not verify the bytes.
func (c *Client) Block(ctx context.Context, id peer.ID, block cid.Cid) ([]byte, error) {
	return c.body(ctx, id, "blocks/"+block.String(), maxBlock)
}

// Span gets the bytes [from, to) of a blob. It does not verify them. The error is ErrLied when the
// member's copy is too short, ErrNotYet when the member does not have the leaf in which the bytes
// begin, and a RelayedError when the terms allow one and the member names others to ask.
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

// Holds asks how much of a blob a member has: all of it, some leaves, or nothing. A nil Part means
// that it has nothing, unless whole is true. An error means that there was no answer. With
// fetching, the member learns that this registry is fetching the blob. A member that is fetching
// it, too, or whose copy is damaged, is then asked which leaves it has. Without fetching,
// Part.Leaves is empty.
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
		err = nil // it has no leaf yet, or has just lost the blob
	}
	return false, some, err
}

// Have asks which leaves of a blob a member has. The set has none that the blob does not have.
func (c *Client) Have(ctx context.Context, id peer.ID, ref dag.Ref) (bitset.Set, error) {
	if err := ref.Check(); err != nil {
		return nil, err
	}
	leaves := dag.LeavesOf(ref.Size)
	have, err := c.body(ctx, id, "blobs/"+ref.CID.String()+"/have", int64(bitset.Bytes(leaves)))
	bitset.Set(have).Cut(leaves)
	return have, err
}

// Doubt tells a holder that a leaf of its copy arrived damaged. It fails with a holder of an older
// release, which does not know this request.
func (c *Client) Doubt(ctx context.Context, id peer.ID, root cid.Cid, leaf int) error {
	path := fmt.Sprintf("blobs/%s/doubt?%s=%d", root, leafParam, leaf)
	resp, err := c.do(ctx, http.MethodPost, id, path, "", http.StatusAccepted)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
