package pathmap

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-varint"
)

// Protocol is the stream protocol on which members ask each other for heads and
// for deltas. Requests are JSON, a delta travels as the bytes of its block; each
// frame is preceded by its length as an unsigned varint.
const Protocol protocol.ID = "/distribution-ipfs/paths/1.0.0"

const (
	maxFrame   = maxDelta
	stallLimit = 10 * time.Second // of one frame, either way
)

// Operations of a request.
const (
	opHeads  = "heads"  // → one answer frame with Heads
	opDeltas = "deltas" // → up to Page delta frames, an empty frame, an answer frame
	opMore   = "more"   // the next page of the deltas asked for before
)

// request is what a member asks. Unknown fields are ignored.
type request struct {
	Op   string    `json:"op"`
	Want []cid.Cid `json:"want,omitempty"` // deltas to begin at, towards their ancestors
	Have []cid.Cid `json:"have,omitempty"` // deltas not to go beyond
	Page int       `json:"page,omitempty"` // deltas in the answer
	Run  string    `json:"run,omitempty"`  // of opHeads: a random text of the asker's run
}

type answer struct {
	Heads   []cid.Cid `json:"heads,omitempty"`
	Counter *uint64   `json:"counter,omitempty"` // with Heads: the greatest seen; nil: an older release
	Written *uint64   `json:"written,omitempty"` // with Heads: no less than the asker's greatest that was merged; nil: not said
	Twin    bool      `json:"twin,omitempty"`    // with Heads: two registries ask with the asker's peer ID
	More    bool      `json:"more,omitempty"`    // there are older deltas
	Error   string    `json:"error,omitempty"`
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

func readFrame(r byteReader) ([]byte, error) {
	n, err := varint.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if n > maxFrame {
		return nil, fmt.Errorf("%w of %d bytes, at most %d are taken", errFrame, n, maxFrame)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return b, err
}

func writeJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFrame(w, b)
}

func readJSON(r byteReader, v any) error {
	b, err := readFrame(r)
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
	if a.Error != "" {
		return a, fmt.Errorf("the member says: %s", a.Error)
	}
	return a, nil
}

// alive puts the next stall's end into the connection's deadline.
func alive(conn net.Conn) { _ = conn.SetDeadline(time.Now().Add(stallLimit)) }

var (
	errProtocol = errors.New("unexpected answer")
	errFrame    = errors.New("frame")
)
