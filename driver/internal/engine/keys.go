package engine

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	ds "github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/pnet"
)

// NewProtectorKey makes a new protector key: 32 random bytes, in hex.
func NewProtectorKey() (string, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("make protector key: %w", err)
	}
	return hex.EncodeToString(raw), nil
}

// FormatSwarmKey writes a protector key as Kubo's swarm.key does.
func FormatSwarmKey(key string) string { return "/key/swarm/psk/1.0.0/\n/base16/\n" + key + "\n" }

// protectorKey reads the configured protector key; nil on the public network. A missing
// file is made only by a registry that begins a new swarm: one with an empty datastore,
// no bootstrappers, and no next key.
func (c Config) protectorKey(fresh bool) (pnet.PSK, error) {
	if c.ProtectorKey != "" {
		raw, err := hex.DecodeString(c.ProtectorKey)
		return raw, err // checked already
	}
	if c.ProtectorKeyFile == "" {
		return nil, nil
	}
	content, err := os.ReadFile(c.ProtectorKeyFile)
	if errors.Is(err, os.ErrNotExist) {
		return c.newProtectorKeyFile(fresh)
	}
	if err != nil {
		return nil, fmt.Errorf("protectorkeyfile: %w; name a file that this user can read", err)
	}
	psk, err := parseProtectorKey(content)
	if err != nil {
		return nil, fmt.Errorf("protectorkeyfile %s: %w", c.ProtectorKeyFile, err)
	}
	return psk, nil
}

// nextProtectorKey reads the key that the swarm changes to; nil when there is no such change. It is never
// made here.
func (c Config) nextProtectorKey(present pnet.PSK) (next pnet.PSK, err error) {
	switch {
	case c.ProtectorKeyNext != "":
		next, err = hex.DecodeString(c.ProtectorKeyNext)
		if err != nil {
			return nil, err // checked already
		}
	case c.ProtectorKeyNextFile == "":
		return nil, nil
	default:
		content, err := os.ReadFile(c.ProtectorKeyNextFile)
		if err != nil {
			return nil, fmt.Errorf("protectorkeynextfile: %w; name a file that is there, and that this user can read", err)
		}
		if next, err = parseProtectorKey(content); err != nil {
			return nil, fmt.Errorf("protectorkeynextfile %s: %w", c.ProtectorKeyNextFile, err)
		}
	}
	if bytes.Equal(present, next) {
		return nil, ErrSameKeys
	}
	return next, nil
}

// ErrSameKeys reports that the next protector key is no other than the present one.
var ErrSameKeys = errors.New("protectorkeynext: is the same key as protectorkey; leave it, or protectorkeynextfile, out, and the registry knows this one alone")

func parseProtectorKey(content []byte) (pnet.PSK, error) {
	content = bytes.TrimSpace(content)
	if bytes.HasPrefix(content, []byte("/key/")) {
		psk, err := pnet.DecodeV1PSK(bytes.NewReader(content))
		if err == nil && len(psk) == 32 {
			return psk, nil
		}
	} else if raw, err := hex.DecodeString(string(content)); err == nil && len(raw) == 32 {
		return raw, nil
	}
	return nil, errors.New("is neither 32 bytes in hex nor a swarm.key; copy it from a member of the swarm, or make one for a new swarm with `registry ipfs keygen`")
}

func (c Config) newProtectorKeyFile(fresh bool) (pnet.PSK, error) {
	if !fresh || len(c.Bootstrappers) > 0 || c.ProtectorKeyNext+c.ProtectorKeyNextFile != "" {
		return nil, fmt.Errorf("protectorkeyfile: %s does not exist; copy it from a member of the swarm", c.ProtectorKeyFile)
	}
	key, err := NewProtectorKey()
	if err != nil {
		return nil, err
	}
	if err := writeSecret(c.ProtectorKeyFile, FormatSwarmKey(key)); err != nil {
		return nil, fmt.Errorf("protectorkeyfile: %w; make its directory writable for this user", err)
	}
	return parseProtectorKey([]byte(key))
}

// writeSecret writes a new file that only this user can read, whole or not at
// all.
func writeSecret(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// identityKey is where the datastore keeps the peer's key.
var identityKey = ds.NewKey("/peer/key")

// resolvePrivateKey reads this registry's libp2p key from the configuration, from the file,
// or from the datastore; for the last two it makes the key at the first run.
func (c Config) resolvePrivateKey(ctx context.Context, store ds.Datastore) (crypto.PrivKey, error) {
	switch {
	case c.PrivateKey != "":
		key, err := parsePrivateKey(c.PrivateKey)
		if err != nil {
			return nil, fmt.Errorf("privatekey: %w", err)
		}
		return key, nil
	case c.PrivateKeyFile != "":
		return c.privateKeyFromFile()
	}
	raw, err := store.Get(ctx, identityKey)
	if err == nil {
		return crypto.UnmarshalPrivateKey(raw)
	}
	if !errors.Is(err, ds.ErrNotFound) {
		return nil, fmt.Errorf("read this registry's key: %w", err)
	}
	key, raw, err := newPrivateKey()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(store.Put(ctx, identityKey, raw), store.Sync(ctx, identityKey)); err != nil {
		return nil, fmt.Errorf("store this registry's key: %w", err)
	}
	return key, nil
}

func newPrivateKey() (crypto.PrivKey, []byte, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make this registry's key: %w", err)
	}
	raw, err := crypto.MarshalPrivateKey(key)
	return key, raw, err
}

func parsePrivateKey(text string) (crypto.PrivKey, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err == nil {
		var key crypto.PrivKey
		if key, err = crypto.UnmarshalPrivateKey(raw); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("is not a libp2p private key in base64; leave it out and one is made")
}

func (c Config) privateKeyFromFile() (crypto.PrivKey, error) {
	content, err := os.ReadFile(c.PrivateKeyFile)
	if errors.Is(err, os.ErrNotExist) {
		key, raw, err := newPrivateKey()
		if err == nil {
			err = writeSecret(c.PrivateKeyFile, base64.StdEncoding.EncodeToString(raw)+"\n")
		}
		if err != nil {
			return nil, fmt.Errorf("privatekeyfile: %w; make its directory writable for this user", err)
		}
		return key, nil
	}
	if err != nil {
		return nil, fmt.Errorf("privatekeyfile: %w; name a file that this user can read", err)
	}
	key, err := parsePrivateKey(string(content))
	if err != nil {
		return nil, fmt.Errorf("privatekeyfile %s: %w", c.PrivateKeyFile, err)
	}
	return key, nil
}
