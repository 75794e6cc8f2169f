package peer

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-varint"
	"google.golang.org/protobuf/encoding/protowire"
)

// maxParts is how many messages, topics and names of messages one RPC of pubsub may bring, and how
// many wants and blocks a message of bitswap. Each takes some hundred bytes once it is decoded, and
// may take two when it is sent. An honest one names some thousand messages, when hundreds are
// published a second.
const maxParts = 8192

// guardedHost is the host as pubsub may use it: what others send it is measured before it is
// decoded, and refused is called for each of whom something is not taken.
type guardedHost struct {
	host.Host
	refused func(network.Stream)
}

func (h guardedHost) SetStreamHandler(proto protocol.ID, f network.StreamHandler) {
	h.Host.SetStreamHandler(proto, guarded(f, h.refused))
}

func (h guardedHost) SetStreamHandlerMatch(proto protocol.ID, match func(protocol.ID) bool, f network.StreamHandler) {
	h.Host.SetStreamHandlerMatch(proto, match, guarded(f, h.refused))
}

func guarded(f network.StreamHandler, refused func(network.Stream)) network.StreamHandler {
	return func(s network.Stream) {
		f(&guardedStream{Stream: s, r: bufio.NewReader(s), refused: func() { refused(s) }})
	}
}

// guardedStream passes on RPCs, each preceded by its length, that have not too many parts.
type guardedStream struct {
	network.Stream
	r       *bufio.Reader
	rest    []byte // of an RPC that was measured
	refused func()
}

var errRPC = errors.New("malformed pubsub RPC")

// Read implements network.Stream.
func (s *guardedStream) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if len(s.rest) == 0 {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, s.rest)
	if s.rest = s.rest[n:]; len(s.rest) == 0 {
		s.rest = nil
	}
	return n, nil
}

// next reads one RPC. Its memory grows as its bytes come.
func (s *guardedStream) next() error {
	size, err := varint.ReadUvarint(s.r)
	if err != nil {
		return err
	}
	if size > MaxMessage {
		s.refused()
		return fmt.Errorf("%w: %d bytes", errRPC, size)
	}
	head := varint.ToUvarint(size)
	rpc, err := readGrowing(s.r, head, int(size))
	if err != nil {
		return err
	}
	if n := partsOf(rpc[len(head):]); n > maxParts {
		s.refused()
		return fmt.Errorf("%w: more than %d parts", errRPC, maxParts)
	}
	s.rest = rpc
	return nil
}

// readGrowing appends size bytes to b. It takes no more memory than twice what has come.
func readGrowing(r io.Reader, b []byte, size int) ([]byte, error) {
	for size > 0 {
		n := min(size, max(len(b), 4<<10))
		at := len(b)
		b = append(b, make([]byte, n)...)
		if _, err := io.ReadFull(r, b[at:]); err != nil {
			return nil, fmt.Errorf("%w: %w", errRPC, io.ErrUnexpectedEOF)
		}
		size -= n
	}
	return b, nil
}

// Fields of an RPC and of its control message whose parts have parts themselves
// (https://github.com/libp2p/specs/tree/master/pubsub).
const (
	rpcControl    protowire.Number = 3
	controlFields protowire.Number = 5 // lists of names, topics and peers, up to this one
)

// partsOf counts the fields of an RPC, and of what it nests but for messages; more than maxParts
// when it cannot be read.
func partsOf(rpc []byte) int {
	return countFields(rpc, func(field protowire.Number, control []byte) int {
		if field != rpcControl {
			return 0
		}
		return countFields(control, func(field protowire.Number, list []byte) int {
			if field > controlFields {
				return 0
			}
			return countFields(list, nil)
		})
	})
}

// messageWants is the field of a bitswap message whose parts have parts themselves
// (https://specs.ipfs.tech/bitswap-protocol).
const messageWants protowire.Number = 1

// messageParts is partsOf a message of bitswap.
func messageParts(msg []byte) int {
	return countFields(msg, func(field protowire.Number, wants []byte) int {
		if field != messageWants {
			return 0
		}
		return countFields(wants, nil)
	})
}

// countFields counts those of a message, and with inside also what it gives for each that may be
// a message.
func countFields(b []byte, inside func(protowire.Number, []byte) int) (n int) {
	for len(b) > 0 && n <= maxParts {
		field, kind, tag := protowire.ConsumeTag(b)
		if tag < 0 {
			return maxParts + 1
		}
		size := protowire.ConsumeFieldValue(field, kind, b[tag:])
		if size < 0 {
			return maxParts + 1
		}
		n++
		if inside != nil && kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(b[tag:])
			n += inside(field, value)
		}
		b = b[tag+size:]
	}
	return n
}
