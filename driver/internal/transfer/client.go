package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

const (
	// maxBlock is more than any inner block has: 1024 links of some 50 bytes.
	maxBlock = 128 << 10
	// maxRefusal is more bytes than any refusal has.
	maxRefusal = 512
)

// client asks members over HTTP.
type client struct{ transports *transports }

// do sends one request; the caller closes the body. The statuses 404 and 416 are wire.ErrGone,
// 416 also wire.ErrNotYet, and 300 is a relayedError.
func (c *client) do(ctx context.Context, method string, id peer.ID, path, ranges string, want int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("http://%s/v1/%s", peer.ToCid(id), path), nil)
	if err != nil {
		return nil, err
	}
	if ranges != "" {
		req.Header.Set("Range", ranges)
	}
	resp, err := c.transports.send(req, id)
	if err != nil {
		return nil, wire.Blame(id, err)
	}
	switch resp.StatusCode {
	case want:
		return resp, nil
	case http.StatusNotFound:
		err = wire.ErrGone
	case http.StatusRequestedRangeNotSatisfiable:
		err = wire.ErrNotYet
	case http.StatusMultipleChoices:
		err = readRelays(resp)
	default:
		err = fmt.Errorf("answers %s", resp.Status)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxRefusal) // its end: the connection is used again
	_ = resp.Body.Close()
	return resp, wire.Blame(id, err)
}

// body is do for a short body that is read whole.
func (c *client) body(ctx context.Context, id peer.ID, path string, most int64) ([]byte, error) {
	resp, err := c.do(ctx, http.MethodGet, id, path, "", http.StatusOK)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return nil, wire.Blame(id, err)
	}
	if int64(len(b)) > most {
		return nil, wire.Blame(id, fmt.Errorf("more than %d bytes: %w", most, wire.ErrLied))
	}
	return b, nil
}

// block gets an inner block; its bytes are not verified.
func (c *client) block(ctx context.Context, id peer.ID, block cid.Cid) ([]byte, error) {
	return c.body(ctx, id, "blocks/"+block.String(), maxBlock)
}

// terms are the conditions under which a range is asked for.
type terms string

const (
	anyway        terms = ""
	ratherRelayed terms = "?" + relayParam // or a relayedError
)

// span gets the bytes [from, to) of a blob. A copy that is too short for them is
// wire.ErrLied.
func (c *client) span(ctx context.Context, id peer.ID, root cid.Cid, from, to int64, how terms) (io.ReadCloser, error) {
	resp, err := c.do(ctx, http.MethodGet, id, "blobs/"+root.String()+string(how),
		fmt.Sprintf("bytes=%d-%d", from, to-1), http.StatusPartialContent)
	if err != nil {
		return nil, err
	}
	if n := resp.ContentLength; n >= 0 && n != to-from {
		_ = resp.Body.Close()
		return nil, wire.Blame(id, fmt.Errorf("%d bytes from %d on, not %d: %w", n, from, to-from, wire.ErrLied))
	}
	return resp.Body, nil
}

// holds asks what a member has of a blob: all, some leaves, or nothing. An error means that
// there was no answer. With telling the member learns that self is fetching the blob, and
// is asked which leaves it has if it is fetching the blob, too, or its copy is damaged;
// otherwise that set is empty. A nil part is nothing.
func (c *client) holds(ctx context.Context, id peer.ID, ref dag.Ref, telling bool) (whole bool, some *part, err error) {
	path := "blobs/" + ref.CID.String()
	if telling {
		path += "?" + fetchingParam
	}
	resp, err := c.do(ctx, http.MethodHead, id, path, "", http.StatusOK)
	if err == nil {
		return true, nil, resp.Body.Close()
	}
	if !errors.Is(err, wire.ErrGone) {
		return false, nil, err
	}
	how := resp.Header.Get(partialHeader)
	if how == "" {
		return false, nil, nil
	}
	some = &part{damaged: how == damaged}
	if !telling {
		return false, some, nil
	}
	some.leaves, err = c.have(ctx, id, ref)
	if errors.Is(err, wire.ErrGone) {
		err = nil // it has just begun, or just lost it
	}
	return false, some, err
}

// have asks which leaves of a blob a member has. The set has no leaves beyond the blob's
// end.
func (c *client) have(ctx context.Context, id peer.ID, ref dag.Ref) (bitset.Set, error) {
	return c.body(ctx, id, "blobs/"+ref.CID.String()+"/have", int64(len(bitset.New(leavesOf(ref.Size)))))
}
