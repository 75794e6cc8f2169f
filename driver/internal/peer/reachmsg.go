package peer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
)

// reachProtocol is that of the streams on which a member is asked to dial back.
const reachProtocol protocol.ID = "/distribution-ipfs/reach/1.0.0"

const (
	reachVersion = 1
	maxReach     = 16 << 10 // bytes of an answer; one takes some 500
	maxReachAsk  = 1 << 10  // bytes of a question
	maxTried     = 16       // addresses in an answer
)

// Outcome is what came of dialing an address.
type Outcome string

// Outcomes; any other is read as Failed.
const (
	Reached Outcome = "reached" // the peer that was looked for is there
	Closed  Outcome = "closed"  // the connection was refused
	Silent  Outcome = "silent"  // nothing answered
	Other   Outcome = "other"   // another peer answered
	Failed  Outcome = "failed"  // any other reason
)

// reachAsk is the question, and reachAnswer the answer, each a line of JSON. A member is asked for
// nothing but its address of the asker: it dials what the asker has announced in hellos. Unknown
// fields are ignored, since releases differ within a swarm.
type reachAsk struct {
	Version int `json:"version"`
}

type reachAnswer struct {
	Version int         `json:"version"`
	Refused bool        `json:"refused,omitempty"` // the asker is not trusted, or asks too often
	Seen    string      `json:"seen,omitempty"`    // multiaddr of the asker's end of the connection
	Tried   []triedAddr `json:"tried,omitempty"`
}

type triedAddr struct {
	Addr    string  `json:"addr"`
	Data    bool    `json:"data,omitempty"` // it is one of the data port
	Outcome Outcome `json:"outcome"`
}

var errReach = errors.New("malformed answer of a member that was asked to dial back")

// readReach reads an answer. Addresses that are none are left out.
func readReach(r io.Reader) (a reachAnswer, err error) {
	b, err := io.ReadAll(io.LimitReader(r, maxReach+1))
	switch {
	case err != nil:
		return a, fmt.Errorf("receive the answer of a member that was asked to dial back: %w", err)
	case len(b) > maxReach:
		return a, fmt.Errorf("%w: more than %d bytes", errReach, maxReach)
	}
	if err := json.Unmarshal(b, &a); err != nil {
		return a, fmt.Errorf("%w: %w", errReach, err)
	}
	if a.Version < 1 {
		return a, fmt.Errorf("%w: version %d", errReach, a.Version)
	}
	a.Seen = addrText(a.Seen)
	var tried []triedAddr
	for _, t := range a.Tried[:min(len(a.Tried), maxTried)] {
		if t.Addr = addrText(t.Addr); t.Addr == "" {
			continue
		}
		switch t.Outcome {
		case Reached, Closed, Silent, Other:
		default:
			t.Outcome = Failed
		}
		tried = append(tried, t)
	}
	a.Tried = tried
	return a, nil
}

// addrText is the text of a multiaddr that a peer sent; "" when it is none.
func addrText(text string) string {
	if len(text) > maxText {
		return ""
	}
	a, err := multiaddr.NewMultiaddr(text)
	if err != nil {
		return ""
	}
	return a.String()
}
