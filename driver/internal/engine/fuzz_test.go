package engine

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// FuzzKeys: what is taken for a protector key has 32 bytes, and what is taken for a private key
// is the key of a peer. Nothing of either is in an error.
func FuzzKeys(f *testing.F) {
	key, err := NewProtectorKey()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key)
	f.Add(FormatSwarmKey(key))
	f.Add("/key/swarm/psk/1.0.0/\n/base64/\nAAAA")
	f.Add("CAESQL")
	f.Fuzz(func(t *testing.T, text string) {
		if psk, err := parseProtectorKey([]byte(text)); err == nil && len(psk) != 32 {
			t.Errorf("%q has %d bytes", text, len(psk))
		}
		if key, err := parsePrivateKey(text); err == nil {
			if _, err := peer.IDFromPrivateKey(key); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
	})
}
