package transfer

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// newClient speaks HTTP to members; the host of a URL is a peer ID, as a CID so
// that it may be written in lower case.
func newClient(s Swarm) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			id, err := peer.Decode(host)
			if err != nil {
				return nil, err
			}
			return s.Dial(ctx, id, Protocol)
		},
		DisableCompression:  true,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     time.Minute,
	}}
}

func urlOf(id peer.ID, kind string, c cid.Cid) string {
	return fmt.Sprintf("http://%s/v1/%s/%s", peer.ToCid(id), kind, c)
}

// request asks a member; the caller closes the body. Another status than those
// wanted is an error.
func (t *Transfers) request(ctx context.Context, method string, id peer.ID, kind string, c cid.Cid, from int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, urlOf(id, kind, c), nil)
	if err != nil {
		return nil, err
	}
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s for %s: %w", id, c, err)
	}
	want := http.StatusOK
	if from > 0 {
		want = http.StatusPartialContent
	}
	if resp.StatusCode != want {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("ask %s for %s: %s", id, c, resp.Status)
	}
	return resp, nil
}

// maxBlock is the most bytes of an inner block: 1024 links of some 60 bytes.
const maxBlock = 1 << 20

// block asks a member for an inner block.
func (t *Transfers) block(ctx context.Context, id peer.ID, c cid.Cid) ([]byte, error) {
	resp, err := t.request(ctx, http.MethodGet, id, "blocks", c, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return io.ReadAll(io.LimitReader(resp.Body, maxBlock))
}
