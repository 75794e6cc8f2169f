package peer

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// fingerprintSize is how much is told of a protector key, in bytes: enough to tell two keys apart.
const fingerprintSize = 8

// KeyFingerprints are those of this peer's protector key and of its next one; none on the public network.
// They say who has the same key, and nothing about it.
func (p *Peer) KeyFingerprints() (list []string) {
	for _, key := range p.cfg.protectorKeys() {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte("distribution-ipfs fingerprint"))
		list = append(list, hex.EncodeToString(mac.Sum(nil)[:fingerprintSize]))
	}
	return list
}

// readFingerprints takes those that a peer said; none of a list that is none.
func readFingerprints(said []string) []string {
	if len(said) > 2 {
		return nil
	}
	for _, f := range said {
		if b, err := hex.DecodeString(f); err != nil || len(b) != fingerprintSize {
			return nil
		}
	}
	return said
}
