package pathmap

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-ds-crdt/pb"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"
)

// A state travels in pages. Each is a statePage as JSON and, if that says so, a frame with versions
// (a delta of go-ds-crdt with elements and their IDs, in zstd) or with names. The pages of versions
// are in the order of the datastore's keys, and come before those of names; the last page has the
// sums.
const (
	statePageBytes = 512 << 10 // bytes of versions in a page, before they are compressed
	firstStatePage = 8 << 10   // of the first one: they double, so that there is progress on a connection that breaks early
	namesPageBytes = 128 << 10 // bytes of names
	maxStatePage   = statePageBytes + maxKey + maxIDSize + maxDelta
	maxHad         = 512 // pages that a request names
	maxEnd         = maxKey + maxIDSize
)

// statePage is what comes before the versions or names of a page.
type statePage struct {
	// End is the last key of the versions; those of the page lie between that of the page before
	// and this one. It is empty in the last page of versions.
	End      string `json:"end,omitempty"`
	Versions int    `json:"versions,omitempty"`
	Same     bool   `json:"same,omitempty"` // they are those that the request named: they are not sent
	Rest     bool   `json:"rest,omitempty"` // no versions come after this page

	Names int       `json:"names,omitempty"`
	Sum   *stateSum `json:"sum,omitempty"` // of the last page
	Error string    `json:"error,omitempty"`
	Busy  bool      `json:"busy,omitempty"` // with Error: ask again
}

// stateHead is the first answer.
type stateHead struct {
	Heads   deltas            `json:"heads"`
	Counter uint64            `json:"counter"`
	Paths   int               `json:"paths"` // for those who watch
	Earlier uint64            `json:"earlier,omitempty"`
	Written map[string]uint64 `json:"written,omitempty"` // peer ID → greatest counter of its versions
}

// stateSum is what everything that came has to add up to.
type stateSum struct {
	Versions int    `json:"versions"`
	Digest   []byte `json:"digest"` // as View.Digest
	Names    int    `json:"names"`
	Deltas   []byte `json:"deltas"` // XOR of the names' digests
}

// hadPage is a page that came before: its last key, and its digest.
type hadPage struct {
	End    string `json:"end"`
	Digest []byte `json:"digest"`
}

// hadPages are at most maxHad.
type hadPages []hadPage

// UnmarshalJSON implements json.Unmarshaler. It reads no more than maxHad.
func (h *hadPages) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t == nil {
		return err
	} else if t != json.Delim('[') {
		return fmt.Errorf("%w: %v in place of pages", errProtocol, t)
	}
	for dec.More() {
		if len(*h) == maxHad {
			return fmt.Errorf("%w: more than %d pages are named", errProtocol, maxHad)
		}
		var p hadPage
		if err := dec.Decode(&p); err != nil {
			return err
		}
		if len(p.End) > maxEnd || len(p.Digest) > sha256.Size || len(*h) > 0 && p.End <= (*h)[len(*h)-1].End {
			return fmt.Errorf("%w: page %q", errProtocol, clip(p.End))
		}
		*h = append(*h, p)
	}
	return nil
}

type digest [sha256.Size]byte

func (d *digest) add(o []byte) {
	for i := range min(len(d), len(o)) {
		d[i] ^= o[i]
	}
}

func (d *digest) addVersion(key, value string) {
	sum := sha256.Sum256([]byte(key + "\x00" + value))
	d.add(sum[:])
}

// stateVersion is one version of a state.
type stateVersion struct {
	key   string // as keyOf gives it
	id    string // of the delta that added it
	value []byte
	path  string
	version
}

// codec compresses and decompresses pages; one of each at a time.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func (c *codec) encode(page *pb.Delta) ([]byte, error) {
	raw, err := proto.Marshal(page)
	if err != nil {
		return nil, err
	}
	if c.enc == nil {
		c.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		if err != nil {
			return nil, err
		}
	}
	return c.enc.EncodeAll(raw, nil), nil
}

// decode reads a page: what it may take is bounded before it is decompressed and before it is
// decoded, and each version passes the checks of a delta.
func (c *codec) decode(b []byte) (versions []stateVersion, err error) {
	if c.dec == nil {
		c.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxStatePage), zstd.WithDecoderMaxWindow(maxStatePage))
		if err != nil {
			return nil, err
		}
	}
	raw, err := c.dec.DecodeAll(b, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: a page of the state: %w", errProtocol, err)
	}
	if n, most := countFields(raw, maxChanges(raw)), maxChanges(raw); n > most {
		return nil, fmt.Errorf("%w: a page of the state is malformed, or has more than %d versions", errProtocol, most)
	}
	msg := &pb.Delta{}
	if err := proto.Unmarshal(raw, msg); err != nil {
		return nil, fmt.Errorf("%w: a page of the state: %w", errProtocol, err)
	}
	for _, e := range msg.GetElements() {
		v, err := versionOf(e)
		if err != nil {
			return nil, fmt.Errorf("%w: a version of the state, %q: %w", errProtocol, clip(e.GetKey()), err)
		}
		versions = append(versions, v)
	}
	return versions, nil
}

func (c *codec) close() {
	if c.enc != nil {
		_ = c.enc.Close() // it wrote to no writer
	}
	if c.dec != nil {
		c.dec.Close()
	}
}

func versionOf(e *pb.Element) (v stateVersion, err error) {
	v = stateVersion{key: e.GetKey(), id: e.GetId(), value: e.GetValue()}
	path, of, ours, err := parseKey(v.key)
	if err == nil && (!ours || of.counter > maxCounter) {
		err = errBadKey
	}
	if err != nil {
		return v, err
	}
	v.path, v.version = path, of
	if _, err := cidOf(v.id); err != nil {
		return v, err
	}
	if _, err := UnmarshalEntry(v.value); err != nil && !errors.Is(err, ErrNewerEntry) {
		return v, err
	}
	return v, nil
}

// place of a version among the keys of a state.
func (v stateVersion) place() string { return v.key + v.id }

// splitPlace is the inverse.
func splitPlace(place string) (key, id string) {
	at := max(strings.LastIndexByte(place, '/'), 0)
	return place[:at], place[at:]
}

func (h stateHead) check() error {
	if len(h.Heads) == 0 || h.Counter > maxCounter {
		return fmt.Errorf("%w: a state with %d heads and counter %d", errProtocol, len(h.Heads), h.Counter)
	}
	seen := cid.NewSet()
	for _, c := range h.Heads {
		if !seen.Visit(c) {
			return fmt.Errorf("%w: a state that names a head twice", errProtocol)
		}
	}
	for id := range h.Written { // each becomes a part of a key
		if id == "" || len(id) > maxKey || strings.ContainsAny(id, "/:") {
			return fmt.Errorf("%w: a state with versions of a writer %q", errProtocol, clip(id))
		}
	}
	return nil
}
