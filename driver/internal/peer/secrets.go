package peer

import (
	"crypto/hmac"
	"crypto/sha256"
)

// Secrets derives a secret for a purpose from the protector key. It is the same on every registry of
// a private network, and useless for any other purpose. While the key is changed there is a second one, of
// the next key, and each registry has one of these two at least. On the public network there is none.
func (p *Peer) Secrets(purpose string) (secrets [][]byte) {
	for _, key := range p.cfg.protectorKeys() {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte("distribution-ipfs " + purpose))
		secrets = append(secrets, mac.Sum(nil))
	}
	return secrets
}
