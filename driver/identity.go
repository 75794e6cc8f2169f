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

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// Identity is a registry's peer ID and the multiaddrs others bootstrap with.
type Identity struct {
	PeerID    string   `json:"peer_id"`   // such as 12D3KooW…
	Addresses []string `json:"addresses"` // each ends in /p2p/ and the peer ID; none: it is offline
}

// Identity returns this registry's peer ID and addresses.
func (r *rooms) Identity() Identity {
	return Identity{PeerID: r.self.String(), Addresses: r.addresses()}
}

// Secret derives a secret for one purpose from this registry's key. It is the same after
// every restart, and useless for any other purpose.
func (r *rooms) Secret(purpose string) (string, error) {
	raw, err := r.key.Raw()
	if err != nil {
		return "", fmt.Errorf("derive secret: %w", err)
	}
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte("distribution-ipfs " + purpose))
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// Identify returns the identity of a registry that is not running, making its key if it has
// none yet. The addresses are those that the registry will have; a port 0 is chosen when it
// starts. Identify fails with ErrInUse while the registry runs: then ask it with AskIdentity.
func Identify(ctx context.Context, p Parameters) (id Identity, err error) {
	if err := p.check(); err != nil {
		return id, fmt.Errorf("ipfs: %w", err)
	}
	r := &rooms{params: p, log: newLogger(p)}
	if err := os.MkdirAll(r.path(badgerDir), 0o700); err != nil {
		return id, fmt.Errorf("ipfs: datastorepath: %w; make it writable for this user", err)
	}
	if err := sameOwner(r.path(badgerDir)); err != nil {
		return id, fmt.Errorf("ipfs: datastorepath %s: %w", p.DatastorePath, err)
	}
	db, err := openDatastore(ctx, r.path(badgerDir), 0, r.log)
	if err != nil {
		return id, fmt.Errorf("ipfs: datastorepath %s: %w", p.DatastorePath, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := storedFormat(ctx, db, migrations()); err != nil {
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
	id = Identity{PeerID: self.String(), Addresses: []string{}}
	if p.Offline {
		return id, nil
	}
	cfg, err := p.peerConfig()
	if err != nil {
		return id, fmt.Errorf("ipfs: %w", err)
	}
	id.Addresses = texts(peer.AddrsOf(self, cfg))
	return id, nil
}
