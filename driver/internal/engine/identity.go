package engine

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

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// Secret derives a secret for one purpose from this registry's key. It is the same after
// every restart, and useless for any other purpose.
func (e *Engine) Secret(purpose string) (string, error) {
	raw, err := e.key.Raw()
	if err != nil {
		return "", fmt.Errorf("derive secret: %w", err)
	}
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte("distribution-ipfs " + purpose))
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// Identify returns the peer ID of a registry that is not running, making its key if it has
// none yet, and the addresses that others will bootstrap with; a port 0 is chosen when it
// starts. It fails with ErrInUse while the registry runs. Config has passed its Check.
func Identify(ctx context.Context, cfg Config) (id string, addresses []multiaddr.Multiaddr, err error) {
	if err := cfg.notRestoring(); err != nil {
		return "", nil, err
	}
	e := newEngine(cfg)
	if err := os.MkdirAll(cfg.Path, 0o700); err != nil {
		return "", nil, fmt.Errorf("datastorepath: %w; make it writable for this user", err)
	}
	if err := sameOwner(cfg.Path); err != nil {
		return "", nil, fmt.Errorf("datastorepath %s: %w", cfg.Path, err)
	}
	db, err := openDatastore(ctx, cfg.Path, 0, e.Log)
	if err != nil {
		return "", nil, fmt.Errorf("datastorepath %s: %w", cfg.Path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := storedFormat(ctx, db, compactedFormat); err != nil {
		return "", nil, fmt.Errorf("datastorepath %s: %w", cfg.Path, err)
	}
	key, err := cfg.resolvePrivateKey(ctx, db)
	if err != nil {
		return "", nil, err
	}
	self, err := libpeer.IDFromPrivateKey(key)
	if err != nil {
		return "", nil, fmt.Errorf("privatekey: %w", err)
	}
	if cfg.Offline {
		return self.String(), nil, nil
	}
	swarm, err := cfg.peerConfig()
	return self.String(), peer.AddrsOf(self, swarm), err
}
