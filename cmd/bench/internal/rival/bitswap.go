package rival

import (
	"context"
	"crypto/rand"
	"io"
	"os"

	ipfslite "github.com/hsanjuan/ipfs-lite"
	"github.com/ipfs/go-cid"
	badgerds "github.com/ipfs/go-ds-badger"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/multiformats/go-multiaddr"
)

// newLite makes an IPFS-Lite peer with everything as it comes, and without asking
// routers for ports.
func newLite(ctx context.Context, o options) (*ipfslite.Peer, host.Host, error) {
	store, err := badgerds.NewDatastore(o.dir, &badgerds.DefaultOptions)
	if err != nil {
		return nil, nil, err
	}
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	addr, err := listenAddr(o.listen)
	if err != nil {
		return nil, nil, err
	}
	h, routes, err := ipfslite.SetupLibp2p(ctx, key, o.psk, []multiaddr.Multiaddr{addr}, store)
	if err != nil {
		return nil, nil, err
	}
	lite, err := ipfslite.New(ctx, store, nil, h, routes, nil)
	return lite, h, err
}

func serveBitswap(ctx context.Context, o options) (offering, error) {
	lite, h, err := newLite(ctx, o)
	if err != nil {
		return offering{}, err
	}
	address, err := addressOf(h)
	return offering{address, func(ctx context.Context, path string) (string, error) {
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer func() { _ = f.Close() }()
		n, err := lite.AddFile(ctx, f, nil)
		if err != nil {
			return "", err
		}
		return n.Cid().String(), nil
	}}, err
}

// fetchBitswap reads the file to its end: its blocks are then in badger, which
// syncs what it writes. It is not written a second time.
func fetchBitswap(ctx context.Context, o options) (fetcher, error) {
	lite, h, err := newLite(ctx, o)
	if err != nil {
		return fetcher{}, err
	}
	if _, err := dial(ctx, h, o.from); err != nil {
		return fetcher{}, err
	}
	return fetcher{"", func(ctx context.Context, name string, _ *os.File) (int64, error) {
		c, err := cid.Decode(name)
		if err != nil {
			return 0, err
		}
		r, err := lite.GetFile(ctx, c)
		if err != nil {
			return 0, err
		}
		defer func() { _ = r.Close() }()
		return io.Copy(io.Discard, r)
	}}, nil
}
