package pathmap

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/encoding/protowire"
)

// A delta is signed by the registry that made it, with its peer key. The signature is of the delta's CID, which
// says all that the delta does and what it follows, and lies beside the delta: it travels with it to whoever asks for
// signatures, and goes when the delta is compacted. A delta without one is merged as well: an earlier release made
// it, or passed it on.

// signedKey is where signatures are: /<ID of the delta>.
var signedKey = ds.NewKey("/paths/signed")

func signedOf(id string) ds.Key { return dsKey(signedKey.String() + id) }

// signaturePrefix is signed before the CID, so that the key signs nothing else by it.
const signaturePrefix = "distribution-ipfs change"

func signedBytes(c cid.Cid) []byte { return append([]byte(signaturePrefix), c.Bytes()...) }

// Fields of a signature, as protobuf wire types behind signatureMark. Numbers are never used again.
const (
	fieldSigner    protowire.Number = 1 // peer ID
	fieldSignature protowire.Number = 2
	fieldPublicKey protowire.Number = 3 // where the peer ID does not carry it
)

// signatureMark begins a signature, and no delta: so one can be told from the other on the wire.
const signatureMark = 0x01

// maxSignature bounds a signature in bytes: of a large RSA key there are some 1,100.
const maxSignature = 4096

// Signer signs with the key of this registry.
type Signer interface {
	Sign(data []byte) ([]byte, error)
	GetPublic() crypto.PubKey
}

// sign gives the signature of a delta as it is kept and sent.
func sign(key Signer, c cid.Cid) ([]byte, error) {
	sum, err := key.Sign(signedBytes(c))
	if err != nil {
		return nil, fmt.Errorf("sign delta %s: %w", c, err)
	}
	id, err := peer.IDFromPublicKey(key.GetPublic())
	if err != nil {
		return nil, fmt.Errorf("sign delta %s: %w", c, err)
	}
	b := []byte{signatureMark}
	b = protowire.AppendBytes(protowire.AppendTag(b, fieldSigner, protowire.BytesType), []byte(id))
	b = protowire.AppendBytes(protowire.AppendTag(b, fieldSignature, protowire.BytesType), sum)
	if _, err := id.ExtractPublicKey(); err == nil {
		return b, nil
	}
	public, err := crypto.MarshalPublicKey(key.GetPublic())
	if err != nil {
		return nil, fmt.Errorf("sign delta %s: %w", c, err)
	}
	return protowire.AppendBytes(protowire.AppendTag(b, fieldPublicKey, protowire.BytesType), public), nil
}

// signature is one that was read.
type signature struct {
	by     peer.ID
	sum    []byte
	public []byte // of a key that the peer ID does not carry
}

var errSignature = errors.New("its signature is not that of who wrote it")

func readSignature(b []byte) (s signature, err error) {
	if len(b) == 0 || len(b) > maxSignature || b[0] != signatureMark {
		return s, fmt.Errorf("%w: %d bytes", errSignature, len(b))
	}
	for b = b[1:]; len(b) > 0; {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return s, fmt.Errorf("%w: %w", errSignature, protowire.ParseError(n))
		}
		b = b[n:]
		if typ != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
				return s, fmt.Errorf("%w: %w", errSignature, protowire.ParseError(n))
			}
			b = b[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return s, fmt.Errorf("%w: %w", errSignature, protowire.ParseError(n))
		}
		b = b[n:]
		switch num {
		case fieldSigner:
			s.by = peer.ID(value)
		case fieldSignature:
			s.sum = value
		case fieldPublicKey:
			s.public = value
		}
	}
	return s, s.by.Validate()
}

// verify reports whether a registry signed a delta.
func (s signature) verify(c cid.Cid) error {
	key, err := s.by.ExtractPublicKey()
	if errors.Is(err, peer.ErrNoPublicKey) {
		if key, err = crypto.UnmarshalPublicKey(s.public); err == nil && !s.by.MatchesPublicKey(key) {
			err = errSignature
		}
	}
	if err != nil {
		return fmt.Errorf("%w: the key of %s: %w", errSignature, s.by, err)
	}
	if ok, err := key.Verify(signedBytes(c), s.sum); err != nil {
		return fmt.Errorf("%w, %s: %w", errSignature, s.by, err)
	} else if !ok {
		return fmt.Errorf("%w, %s", errSignature, s.by)
	}
	return nil
}

// takeSignature checks what came as the signature of a delta, and keeps it with the delta. Nobody signs what another
// wrote. Without a signature nothing is checked.
func (d *delta) takeSignature(raw []byte) error {
	if raw == nil {
		return nil
	}
	s, err := readSignature(raw)
	if err == nil {
		err = s.verify(d.cid)
	}
	for _, c := range d.changes {
		if err == nil && c.added && peerOf(c.writer) != s.by.String() {
			err = fmt.Errorf("%w: %s signed what %s wrote at %s", errSignature, s.by, peerOf(c.writer), clip(c.path))
		}
	}
	if err != nil {
		return fmt.Errorf("%w %s: %w", errBadDelta, d.cid, err)
	}
	d.signature = bytes.Clone(raw)
	return nil
}

// putSignature keeps the signature of a delta, inside the transaction.
func (m *Map) putSignature(c cid.Cid, raw []byte) error {
	if raw == nil {
		return nil
	}
	return m.ledger.Put(m.ctx, signedOf(idOf(c)), raw)
}

// signVouched signs a delta that is merged without a signature, if it says that this registry wrote it: such as one that
// was wiped, and gets back what it wrote by an earlier release. So others need not be told to accept it.
func (m *Map) signVouched(d *delta) (err error) {
	if d.signature == nil && d.vouched && m.cfg.Key != nil && d.addsOnly(m.cfg.Self) {
		d.signature, err = sign(m.cfg.Key, d.cid)
	}
	return err
}

// signOwn signs a delta that was just made here, inside its transaction.
func (m *Map) signOwn(c cid.Cid) error {
	if m.cfg.Key == nil {
		return nil
	}
	raw, err := sign(m.cfg.Key, c)
	if err != nil {
		return err
	}
	return m.putSignature(c, raw)
}

// signatureOf is the signature of a delta as it is kept; nil: there is none.
func (m *Map) signatureOf(c cid.Cid) ([]byte, error) {
	raw, err := m.cfg.Store.Get(m.ctx, signedOf(idOf(c)))
	if errors.Is(err, ds.ErrNotFound) {
		return nil, nil
	}
	return raw, err
}
