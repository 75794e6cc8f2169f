package pathmap

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"testing"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/go-ds-crdt/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/golden"
)

// seeded is a key that is always the same.
func seeded(t testing.TB, b byte) (crypto.PrivKey, peer.ID) {
	t.Helper()
	seed := make([]byte, 32)
	seed[0] = b
	key, _, err := crypto.GenerateEd25519Key(&repeating{seed})
	if err != nil {
		t.Fatal(err)
	}
	return key, idOfKey(t, key)
}

func idOfKey(t testing.TB, key crypto.PrivKey) peer.ID {
	t.Helper()
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

type repeating struct{ b []byte }

func (r *repeating) Read(p []byte) (int, error) { return copy(p, r.b), nil }

// signedDelta is a delta with one version of a writer, and with a tombstone.
func signedDelta(t testing.TB, writer string) *delta {
	t.Helper()
	key := keyOf("/a", version{7, writer}).String()
	msg := &pb.Delta{Priority: 1, Tombstones: []*pb.Element{{Key: keyOf("/a", version{6, "another"}).String(), Id: "/CIQ"}}}
	if writer != "" {
		msg.Elements = []*pb.Element{{Key: key, Value: goldenVersions().Elements[0].Value}}
	}
	raw, err := proto.Marshal(msg)
	if err != nil {
		t.Fatal(err)
	}
	node := merkledag.NodeWithData(raw)
	b, err := blockOf(node.RawData())
	if err != nil {
		t.Fatal(err)
	}
	d, err := parseDelta(b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestGoldenSignature holds what is signed, kept and sent of who wrote a change.
func TestGoldenSignature(t *testing.T) {
	key, id := seeded(t, 1)
	d := signedDelta(t, id.String()+".abcdefgh")
	raw, err := sign(key, d.cid)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"signed": hex.EncodeToString(signedBytes(d.cid)), "signature": hex.EncodeToString(raw)}
	stored := golden.Held(t, flag.Lookup("update").Value.String() == "true", "signatures.json", got)
	b, err := hex.DecodeString(stored["signature"])
	if err != nil {
		t.Fatal(err)
	}
	if err := d.takeSignature(append(b, 0x78, 7)); err != nil { // a field of a later release
		t.Error(err)
	}
}

// TestASignatureIsOfWhoWroteIt: of a change that adds versions only their writer's counts, and of one that only
// deletes anybody's. One that is damaged, or of another change, counts nowhere.
func TestASignatureIsOfWhoWroteIt(t *testing.T) {
	key, id := seeded(t, 1)
	other, _ := seeded(t, 2)
	large, _, err := crypto.GenerateRSAKeyPair(4096, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	mine, deletes := signedDelta(t, id.String()+".abcdefgh"), signedDelta(t, "")
	by := func(key crypto.PrivKey, d *delta) []byte {
		raw, err := sign(key, d.cid)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	damaged := by(key, mine)
	damaged[len(damaged)-1] ^= 1
	strange := by(large, signedDelta(t, idOfKey(t, large).String()))
	for name, c := range map[string]struct {
		d    *delta
		raw  []byte
		good bool
	}{
		"its writer's":               {mine, by(key, mine), true},
		"its writer's with RSA":      {signedDelta(t, idOfKey(t, large).String()), strange, true},
		"with another's key":         {signedDelta(t, idOfKey(t, large).String()), append(strange[:len(strange)-1:len(strange)-1], strange[len(strange)-1]^1), false},
		"none":                       {mine, nil, true},
		"another's":                  {mine, by(other, mine), false},
		"another's, of what deletes": {deletes, by(other, deletes), true},
		"of another change":          {mine, by(key, deletes), false},
		"damaged":                    {mine, damaged, false},
		"nothing":                    {mine, []byte{signatureMark}, false},
		"of another kind":            {mine, []byte{2, 1}, false},
		"too long":                   {mine, append(by(key, mine), make([]byte, maxSignature)...), false},
	} {
		err := c.d.takeSignature(c.raw)
		if c.good != (err == nil) || err != nil && !errors.Is(err, errBadDelta) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzSignature reads what a member sends as a signature.
func FuzzSignature(f *testing.F) {
	key, id := seeded(f, 1)
	d := signedDelta(f, id.String()+".abcdefgh")
	raw, err := sign(key, d.cid)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{signatureMark})
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := readSignature(b); err == nil && s.verify(d.cid) == nil && s.by != id {
			t.Errorf("%s signed it", s.by)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	key, id := seeded(b, 1)
	d := signedDelta(b, id.String()+".abcdefgh")
	raw, err := sign(key, d.cid)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := d.takeSignature(raw); err != nil {
			b.Fatal(err)
		}
	}
}
