package summary

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// Protocol is that of the streams on which members ask.
const Protocol protocol.ID = "/distribution-ipfs/summary/1.0.0"

const (
	maxQuestion = 1 << 10          // bytes
	serveTime   = 10 * time.Second // for the question to come, and the answer to go
)

// Swarm is what is needed of the members.
type Swarm interface {
	Listen(protocol.ID) (net.Listener, error) // streams of members
	Dial(context.Context, peer.ID, protocol.ID) (net.Conn, error)
	Remote(net.Conn) peer.ID // the member that dialed a connection of Listen
	Trusts(peer.ID) bool
	Budget() *limit.Budget
	Source(peer.ID) limit.Source // a member as the budget counts it
}

// Summaries answers members, and asks them. It is safe for concurrent use.
type Summaries struct {
	swarm    Swarm
	say      func() Summary
	log      *logrus.Entry
	listener net.Listener
	bound    *limit.Bound
	ctx      context.Context
	end      context.CancelFunc
	wg       sync.WaitGroup
}

// Serve begins to answer. say returns this registry's summary, and is called concurrently.
func Serve(swarm Swarm, say func() Summary, log *logrus.Entry) (*Summaries, error) {
	l, err := swarm.Listen(Protocol)
	if err != nil {
		return nil, err
	}
	s := &Summaries{swarm: swarm, say: say, log: log, listener: l, bound: swarm.Budget().Bound(limit.Summaries)}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.wg.Go(s.accept)
	return s, nil
}

// Close ends all questions, also those of this registry, and waits for them.
func (s *Summaries) Close() error {
	s.end()
	err := s.listener.Close()
	s.wg.Wait()
	return err
}

func (s *Summaries) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		from := s.swarm.Remote(conn)
		leave, ok := s.bound.Enter(s.swarm.Source(from))
		if !ok {
			_ = conn.Close() // unanswered: to write to it might take long
			continue
		}
		s.wg.Go(func() {
			defer leave()
			defer context.AfterFunc(s.ctx, func() { _ = conn.Close() })()
			defer func() { _ = conn.Close() }()
			if err := s.answer(conn, from); err != nil {
				s.log.WithField("peer", from).WithError(err).Debug("a member was not told how this registry is")
			}
		})
	}
}

func (s *Summaries) answer(conn net.Conn, from peer.ID) error {
	_ = conn.SetDeadline(time.Now().Add(serveTime))
	var question struct{}
	if err := json.NewDecoder(io.LimitReader(conn, maxQuestion)).Decode(&question); err != nil {
		return fmt.Errorf("read its question: %w", err)
	}
	a := answer{Refused: stranger}
	if from != "" && s.swarm.Trusts(from) {
		own := s.say().Plausible() // what is too long would be no answer
		a = answer{Summary: &own}
	}
	return json.NewEncoder(conn).Encode(a)
}
