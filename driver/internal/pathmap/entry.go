package pathmap

import (
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"
	"google.golang.org/protobuf/encoding/protowire"
)

// entryFormat is the first byte of every stored entry. A release that reads a greater
// format keeps the entry, and reports it as ErrNewerEntry.
const entryFormat = 1

// Fields of an entry, as protobuf wire types. Numbers are never used again.
const (
	fieldCID     protowire.Number = 1
	fieldSize    protowire.Number = 2
	fieldModTime protowire.Number = 3
)

// ErrNewerEntry reports that an entry was written by a later release.
var ErrNewerEntry = errors.New("entry was written by a newer release: upgrade this registry")

// Entry is what the map knows of one path.
type Entry struct {
	CID     cid.Cid   // root of the bytes; an identity CID carries them itself
	Size    int64     // bytes
	ModTime time.Time // of the registry that wrote it; nanoseconds, UTC
}

// Marshal encodes the entry: one format byte, then protobuf fields, so that
// later releases can add fields that this one skips.
func (e Entry) Marshal() []byte {
	b := []byte{entryFormat}
	b = protowire.AppendTag(b, fieldCID, protowire.BytesType)
	b = protowire.AppendBytes(b, e.CID.Bytes())
	b = protowire.AppendTag(b, fieldSize, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(e.Size))
	b = protowire.AppendTag(b, fieldModTime, protowire.Fixed64Type)
	return protowire.AppendFixed64(b, uint64(e.ModTime.UnixNano()))
}

// UnmarshalEntry decodes what Marshal encoded. It returns ErrNewerEntry for a
// format it does not know and another error for bytes that are no entry.
func UnmarshalEntry(b []byte) (Entry, error) {
	e := Entry{ModTime: time.Unix(0, 0).UTC()} // of one that gives no time
	if len(b) == 0 {
		return Entry{}, errors.New("decode entry: no bytes")
	}
	if b[0] > entryFormat {
		return Entry{}, ErrNewerEntry
	}
	for b = b[1:]; len(b) > 0; {
		n, err := e.field(b)
		if err != nil {
			return Entry{}, fmt.Errorf("decode entry: %w", err)
		}
		b = b[n:]
	}
	if !e.CID.Defined() || e.Size < 0 {
		return Entry{}, errors.New("decode entry: no CID, or a negative size")
	}
	return e, nil
}

func (e *Entry) field(b []byte) (int, error) {
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 {
		return 0, protowire.ParseError(n)
	}
	var m int
	switch {
	case num == fieldCID && typ == protowire.BytesType:
		var raw []byte
		if raw, m = protowire.ConsumeBytes(b[n:]); m >= 0 {
			c, err := cid.Cast(raw)
			if err != nil {
				return 0, err
			}
			e.CID = c
		}
	case num == fieldSize && typ == protowire.VarintType:
		var v uint64
		v, m = protowire.ConsumeVarint(b[n:])
		e.Size = int64(v)
	case num == fieldModTime && typ == protowire.Fixed64Type:
		var v uint64
		v, m = protowire.ConsumeFixed64(b[n:])
		e.ModTime = time.Unix(0, int64(v)).UTC()
	default:
		m = protowire.ConsumeFieldValue(num, typ, b[n:])
	}
	if m < 0 {
		return 0, protowire.ParseError(m)
	}
	return n + m, nil
}
