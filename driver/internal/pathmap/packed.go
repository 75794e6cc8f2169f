package pathmap

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
)

// packed are the live versions of one path, one after the other: of each its form, its
// counter and its writer as varints, and what its form says. So a link takes 16 bytes
// and a blob 48, where structs with a CID took 200.
type packed string

// form is how the value of a version is packed.
type form byte

const (
	formRaw     form = iota // its length and the value: of a later release, or unusual
	formLink                // time, and the digest that the bytes name
	formOwnLink             // time; the bytes name the digest that the path names
	formCID                 // size, time, digest; this one and the greater ones: see cidPrefixes
)

// cidPrefixes are the CIDs of blobs up to their digest of 32 bytes, in the order of
// their forms: raw and dag-pb under sha2-256, then under BLAKE3.
var cidPrefixes = [...]string{"\x01\x55\x12\x20", "\x01\x70\x12\x20", "\x01\x55\x1e\x20", "\x01\x70\x1e\x20"}

// linkPrefix begins the identity CID of a link file: its length, then sha2-256's name.
const linkPrefix = "\x01\x55\x00\x47sha256:"

const (
	digestSize = 32
	linkSize   = int64(len("sha256:") + 2*digestSize)
)

// pack appends one version of the path with that sort key. A value that would not be read
// back unchanged is packed raw.
func (w *writers) pack(p packed, key string, v version, value []byte) packed {
	if f, body := bodyOf(key, value); f != formRaw {
		one := packed(w.append(nil, f, v, body))
		if back, _ := w.unpack(key, one); back.value() == string(value) {
			return p + one
		}
	}
	return p + packed(w.append(nil, formRaw, v, append(binary.AppendUvarint(nil, uint64(len(value))), value...)))
}

func (w *writers) append(b []byte, f form, v version, body []byte) []byte {
	b = binary.AppendUvarint(append(b, byte(f)), v.counter)
	b = binary.AppendUvarint(b, w.number(v.writer))
	return append(b, body...)
}

// bodyOf chooses a form, and encodes what follows it.
func bodyOf(key string, value []byte) (form, []byte) {
	e, err := UnmarshalEntry(value)
	if err != nil {
		return formRaw, nil
	}
	c := e.CID.KeyString()
	at := binary.LittleEndian.AppendUint64(nil, uint64(e.ModTime.UnixNano()))
	if encoded, ok := strings.CutPrefix(c, linkPrefix); ok {
		sum, err := hex.DecodeString(encoded)
		if err == nil && encoded == ownDigest(key) {
			return formOwnLink, at
		}
		return formLink, append(at, sum...)
	}
	body := append(binary.AppendUvarint(nil, uint64(e.Size)), at...)
	for i, prefix := range cidPrefixes {
		if sum, ok := strings.CutPrefix(c, prefix); ok {
			return formCID + form(i), append(body, sum...)
		}
	}
	return formRaw, nil
}

// ownDigest is the hex of the digest that the path of a link file ends with.
func ownDigest(key string) string {
	rest, ok := strings.CutSuffix(key, "\x00link")
	if !ok || len(rest) < 2*digestSize {
		return ""
	}
	return rest[len(rest)-2*digestSize:]
}

// unpack gives the first version and the rest.
func (w *writers) unpack(key string, p packed) (st stored, rest packed) {
	f := form(p[0])
	p = p[1:]
	st.counter = p.uvarint()
	st.writer = w.name(p.uvarint())
	if f == formRaw {
		st.raw = string(p.bytes(int(p.uvarint())))
		st.entry, st.err = UnmarshalEntry([]byte(st.raw))
		return st, p
	}
	st.entry.Size = linkSize
	if f >= formCID {
		st.entry.Size = int64(p.uvarint())
	}
	st.entry.ModTime = time.Unix(0, int64(binary.LittleEndian.Uint64([]byte(p.bytes(8))))).UTC()
	var b [len(linkPrefix) + 2*digestSize]byte
	switch f {
	case formOwnLink:
		st.entry.CID = castCID(append(append(b[:0], linkPrefix...), ownDigest(key)...))
	case formLink:
		st.entry.CID = castCID(hex.AppendEncode(append(b[:0], linkPrefix...), []byte(p.bytes(digestSize))))
	default:
		st.entry.CID = castCID(append(append(b[:0], cidPrefixes[f-formCID]...), p.bytes(digestSize)...))
	}
	return st, p
}

// castCID cannot fail on what bodyOf took apart; if it did, pack would keep the value raw.
func castCID(b []byte) cid.Cid {
	c, _ := cid.Cast(b)
	return c
}

func (p *packed) uvarint() (v uint64) {
	for shift := 0; ; shift += 7 {
		b := (*p)[0]
		*p = (*p)[1:]
		if v |= uint64(b&0x7f) << shift; b < 0x80 {
			return v
		}
	}
}

func (p *packed) bytes(n int) (b packed) {
	b, *p = (*p)[:n], (*p)[n:]
	return b
}

// writers gives each writer a number, so that its name is held once however much it wrote.
// All snapshots of a map share it. It only grows, and only under the map's lock.
type writers struct {
	numbers map[string]uint64
	names   atomic.Pointer[[]string]
}

func newWriters() *writers {
	w := &writers{numbers: map[string]uint64{}}
	w.names.Store(new([]string))
	return w
}

func (w *writers) number(name string) uint64 {
	n, ok := w.numbers[name]
	if !ok {
		names := *w.names.Load()
		n, name = uint64(len(names)), strings.Clone(name) // it may be a part of a longer key
		names = append(names, name)
		w.numbers[name] = n
		w.names.Store(&names)
	}
	return n
}

func (w *writers) name(number uint64) string { return (*w.names.Load())[number] }

// any reports whether f is true of a writer.
func (w *writers) any(f func(name string) bool) bool { return slices.ContainsFunc(*w.names.Load(), f) }
