package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

const (
	reachTimeout = 5 * time.Second  // for all dials of one question, which are made at once
	reachWait    = 12 * time.Second // for an answer
)

// Reach is what a member says of how it reaches this peer.
type Reach struct {
	Seen  string // multiaddr at which it sees this peer; "" when it does not say
	Tried []Try  // addresses that this peer announces, and those at which it is seen
}

// Try is what came of a dial of one address.
type Try struct {
	Addr    string // multiaddr
	Data    bool   // it is one of the data port
	Outcome Outcome
}

// ErrRefused reports that a member does not do what it is asked to: it does not trust this peer, or
// is asked too often.
var ErrRefused = errors.New("refuses: it does not trust this registry, or was asked just now")

// AskToDial has a member dial this peer at its ports. It takes up to 12 s.
func (p *Peer) AskToDial(ctx context.Context, id peer.ID) (Reach, error) {
	ctx, cancel := context.WithTimeout(ctx, reachWait)
	defer cancel()
	s, err := p.Open(ctx, id, reachProtocol)
	if err != nil {
		return Reach{}, err
	}
	// A canceled context has to end reads and writes as well.
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	err = json.NewEncoder(s).Encode(reachAsk{Version: reachVersion})
	if err == nil {
		err = s.CloseWrite()
	}
	var a reachAnswer
	if err == nil {
		a, err = readReach(s)
	}
	if err != nil {
		_ = s.Reset()
		return Reach{}, fmt.Errorf("ask %s to dial back: %w", id, err)
	}
	_ = s.Close()
	if a.Refused {
		return Reach{}, ErrRefused
	}
	r := Reach{Seen: a.Seen}
	for _, t := range a.Tried {
		r.Tried = append(r.Tried, Try(t))
	}
	return r, nil
}

// answerReach is the other end of AskToDial. Only trusted members are answered, and none often.
func (p *Peer) answerReach(s network.Stream) {
	ctx, cancel := context.WithTimeout(p.ctx, reachWait)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	_ = s.SetDeadline(time.Now().Add(reachWait)) // cannot fail on a stream just opened
	id := s.Conn().RemotePeer()
	var ask reachAsk
	if err := json.NewDecoder(io.LimitReader(s, maxReachAsk)).Decode(&ask); err != nil {
		_ = s.Reset()
		return
	}
	a := reachAnswer{Version: reachVersion, Refused: true}
	if from := p.Source(id); from.Rank == limit.Trusted && p.cfg.Budget.Rate(limit.DialBacks).Allow(from, 1) {
		a = reachAnswer{Version: reachVersion, Seen: s.Conn().RemoteMultiaddr().String(), Tried: p.dialBack(ctx, s.Conn())}
	}
	if err := json.NewEncoder(s).Encode(a); err != nil {
		p.about(id).WithError(err).Debug("a member was not told how it is reached")
		_ = s.Reset()
		return
	}
	_ = s.Close()
}
