package driver

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// Secret derives a secret for a purpose from this registry's key: the same after
// every restart, and of no use for anything else.
func (r *rooms) Secret(purpose string) (string, error) {
	raw, err := r.key.Raw()
	if err != nil {
		return "", fmt.Errorf("derive secret: %w", err)
	}
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte("distribution-ipfs " + purpose))
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// Identify tells the identity of a registry that is not running, making its key
// if it has none yet. The addresses are those it is configured with. It fails
// while the registry runs: ask its admin socket then.
func Identify(ctx context.Context, p Parameters) (id Identity, err error) {
	if err := p.check(); err != nil {
		return id, fmt.Errorf("ipfs: %w", err)
	}
	r := &rooms{params: p}
	if err := os.MkdirAll(r.path(badgerDir), 0o700); err != nil {
		return id, fmt.Errorf("ipfs: datastorepath: %w", err)
	}
	db, err := openBadger(r.path(badgerDir))
	if err != nil {
		return id, fmt.Errorf("ipfs: datastorepath %s: %w", p.DatastorePath, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := checkFormat(ctx, db); err != nil {
		return id, fmt.Errorf("ipfs: datastorepath %s: %w", p.DatastorePath, err)
	}
	key, err := p.resolvePrivateKey(ctx, db)
	if err != nil {
		return id, fmt.Errorf("ipfs: %w", err)
	}
	self, err := libpeer.IDFromPrivateKey(key)
	if err != nil {
		return id, fmt.Errorf("ipfs: privatekey: %w", err)
	}
	id.PeerID = self.String()
	addrs := p.AnnounceAddrs
	if len(addrs) == 0 {
		addrs = p.ListenAddrs
	}
	for _, a := range addrs {
		ma, err := multiaddr.NewMultiaddr(a)
		if err != nil {
			return id, fmt.Errorf("ipfs: listenaddrs: %w", err)
		}
		id.Addresses = append(id.Addresses, ma.Encapsulate(multiaddr.StringCast("/p2p/"+self.String())).String())
	}
	return id, nil
}
