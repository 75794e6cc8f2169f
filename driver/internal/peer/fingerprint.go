package peer

import "encoding/hex"

// fingerprintSize is how much is told of a protector key, in bytes: enough to tell two keys apart.
const fingerprintSize = 8

// KeyFingerprints are those of this peer's protector key and of its next one; none on the public network.
// They say who has the same key, and nothing about it.
func (p *Peer) KeyFingerprints() (list []string) {
	for _, secret := range p.Secrets("fingerprint") {
		list = append(list, hex.EncodeToString(secret[:fingerprintSize]))
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
