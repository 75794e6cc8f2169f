package pathmap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multihash"
	"github.com/multiformats/go-varint"
)

// Protocol is the stream protocol on which members ask each other for heads and
// for deltas. Requests are JSON, a delta travels as the bytes of its block; each
// frame is preceded by its length as an unsigned varint.
const Protocol protocol.ID = "/distribution-ipfs/paths/1.0.0"

const (
	maxSaid    = 256 << 10        // bytes of a request or an answer; 2048 CIDs take 140 kB
	stallLimit = 10 * time.Second // of one frame, either way
)

// Operations of a request.
const (
	opHeads  = "heads"  // → one answer frame with Heads
	opDeltas = "deltas" // → up to Page delta frames, an empty frame, an answer frame
	opMore   = "more"   // the next page of the deltas asked for before
	opList   = "list"   // → one answer frame with List: what is merged after a place, oldest first
	opGet    = "get"    // → the deltas in Get, in that order, in frames as of opDeltas, until a page is full
	opState  = "state"  // → a stateHead and pages, see statewire.go; instead, a page with Error
)

// A page of deltas ends with the one that fills it.
const (
	maxPage   = 4096    // deltas
	pageBytes = 1 << 20 // bytes of them
	maxList   = 1024    // deltas named in one list
)

// request is what a member asks. Unknown fields are ignored.
type request struct {
	Op   string `json:"op"`
	Want deltas `json:"want,omitempty"` // to begin at, towards their ancestors
	Have deltas `json:"have,omitempty"` // not to go beyond
	Page int    `json:"page,omitempty"` // deltas in the answer, at most
	Run  string `json:"run,omitempty"`  // of opHeads: a random text that names the asker's run

	// Of opHeads: the member is to rely on no version of its own up to this counter any more,
	// and to name its heads when the requests have ended that it is answering.
	Lapse  *uint64 `json:"lapse,omitempty"`
	Ticket string  `json:"ticket,omitempty"` // of an answer that these had not ended: those begun later are not waited for

	Signed bool   `json:"signed,omitempty"` // of what sends deltas: before each that has one comes a frame with its signature
	Writer string `json:"writer,omitempty"` // of opHeads: a peer ID, of whose versions the answer is to tell

	Priority uint64 `json:"priority,omitempty"` // where a list begins
	After    names  `json:"after,omitempty"`    // the delta of that priority after which it does
	Get      names  `json:"get,omitempty"`

	Had hadPages `json:"had,omitempty"` // of opState: pages that came before
}

type answer struct {
	Heads   deltas  `json:"heads,omitempty"`
	Counter *uint64 `json:"counter,omitempty"` // with Heads: the greatest seen; nil: an older release
	Written *uint64 `json:"written,omitempty"` // with Heads: no less than the asker's greatest that was merged; nil: not said
	Writer  *uint64 `json:"writer,omitempty"`  // with Heads: the same of the request's Writer
	State   bool    `json:"state,omitempty"`   // with Heads: it gives a member that has nothing its state
	Twin    bool    `json:"twin,omitempty"`    // with Heads: two registries ask with the asker's peer ID
	Behind  bool    `json:"behind,omitempty"`  // with Heads: it lacks a part of the history, as far as it knows
	Lapsed  *bool   `json:"lapsed,omitempty"`  // with Heads, to a request with Lapse: done; false: requests did not end in time
	Ticket  string  `json:"ticket,omitempty"`  // then: for asking again
	More    bool    `json:"more,omitempty"`    // there are further deltas
	List    names   `json:"list,omitempty"`
	Last    uint64  `json:"last,omitempty"` // priority of the last in List
	Error   string  `json:"error,omitempty"`
	Cut     bool    `json:"cut,omitempty"` // with Error: what is asked for lies behind its cut
}

// deltas are the CIDs of deltas, at most maxHeads.
type deltas []cid.Cid

// UnmarshalJSON implements json.Unmarshaler. It reads no more than maxHeads.
func (d *deltas) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t == nil {
		return err
	} else if t != json.Delim('[') {
		return fmt.Errorf("%w: %v in place of CIDs", errBadDelta, t)
	}
	for dec.More() {
		var c cid.Cid
		if err := dec.Decode(&c); err != nil {
			return err
		}
		if len(*d) == maxHeads {
			return fmt.Errorf("%w: more than %d are named", errBadDelta, maxHeads)
		}
		if !c.Defined() || !isDeltaCID(c) {
			return fmt.Errorf("%w: %s is not the CID of a delta", errBadDelta, c)
		}
		*d = append(*d, c)
	}
	return nil
}

// names are the digests of the CIDs of deltas: the rest is the same in all of them.
type names []byte

const nameSize = 32

func (n *names) add(c cid.Cid) {
	hash := c.Hash()
	*n = append(*n, hash[len(hash)-nameSize:]...)
}

func (n names) cids() ([]cid.Cid, error) {
	if len(n)%nameSize != 0 {
		return nil, fmt.Errorf("%w: names of %d bytes", errProtocol, len(n))
	}
	cids := make([]cid.Cid, 0, len(n)/nameSize)
	for digest := range slices.Chunk(n, nameSize) {
		hash, err := multihash.Encode(digest, multihash.SHA2_256)
		if err != nil {
			return nil, err
		}
		cids = append(cids, cid.NewCidV1(cid.DagProtobuf, hash))
	}
	return cids, nil
}

// byteReader is what a connection is read through.
type byteReader interface {
	io.Reader
	io.ByteReader
}

func writeFrame(w io.Writer, b []byte) error {
	frame := append(varint.ToUvarint(uint64(len(b))), b...)
	_, err := w.Write(frame)
	return err
}

// readFrame does what go-msgio's varint reader would. That one is slower for a delta of 300
// bytes, and takes 1.5 times the memory while the delta is kept: its buffers are powers of two.
// What is read takes memory as it comes, whatever its length is said to be.
func readFrame(r byteReader, most uint64) ([]byte, error) {
	n, err := varint.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if n > most {
		return nil, fmt.Errorf("%w of %d bytes, at most %d are taken", errFrame, n, most)
	}
	b := make([]byte, min(n, firstRead))
	_, err = io.ReadFull(r, b)
	for err == nil && uint64(len(b)) < n {
		at := len(b)
		grown := make([]byte, min(n, 4*uint64(at)))
		copy(grown, b)
		b = grown
		_, err = io.ReadFull(r, b[at:])
	}
	return b, err
}

// firstRead is for how many bytes of a frame there is room before any has come.
const firstRead = 16 << 10

func writeJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFrame(w, b)
}

func readJSON(r byteReader, v any) error {
	b, err := readFrame(r, maxSaid)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// readAnswer reads an answer and turns the other side's complaint into an error.
func readAnswer(r byteReader) (answer, error) {
	var a answer
	if err := readJSON(r, &a); err != nil {
		return a, err
	}
	if a.Error != "" && a.Cut {
		return a, fmt.Errorf("%w: %w: %s", errMember, errBehindCut, clip(a.Error))
	}
	if a.Error != "" {
		return a, fmt.Errorf("%w: %s", errMember, clip(a.Error))
	}
	return a, nil
}

// alive moves the connection's deadline: the next frame may take stallLimit from now.
func alive(conn net.Conn) { _ = conn.SetDeadline(time.Now().Add(stallLimit)) }

var (
	errProtocol = errors.New("unexpected answer")
	errMember   = errors.New("the member says")
	// errBehindCut reports that a member joined by state, and has not got a delta that is asked for.
	errBehindCut = errors.New("it began with the state of another member")
	errFrame     = errors.New("frame")
)
