package peer

import (
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// Bounds on what pubsub takes of others, and then remembers for some time: names of messages,
// which their senders choose, for seenTime; messages for five seconds.
const (
	maxNews      = 64 << 10 // bytes of an announcement; one takes some hundred
	maxSeqno     = 16       // bytes; pubsub numbers messages with 8
	maxSignature = 1 << 10  // bytes, and of a key beside it: RSA's are the longest

	newsPerSecond = 256  // messages passed on by one member, in the long run
	maxNewsAtOnce = 1024 // in a row
	newsUnit      = 256  // bytes: a message counts once more for each
)

// inspect looks at what a peer sent before signatures are checked and anything is remembered. It
// leaves those messages whose sender and author are connected members, as announcements of
// others lead nowhere; and no peers to connect to, which members tell each other in hellos.
func (p *Peer) inspect(from peer.ID, rpc *pubsub.RPC) error {
	for _, prune := range rpc.GetControl().GetPrune() {
		prune.Peers = nil
	}
	kept := rpc.Publish[:0]
	for _, m := range rpc.Publish {
		if p.takes(from, m) {
			kept = append(kept, m)
		}
	}
	rpc.Publish = kept
	return nil
}

func (p *Peer) takes(from peer.ID, m *pb.Message) bool {
	most, author := maxNews, peer.ID(m.GetFrom())
	switch m.GetTopic() {
	case p.cfg.Topic:
	case p.cfg.Topic + heartbeats:
		if author != from { // old ones, sent again, would take what the author may have heard
			return false
		}
		most = maxHeartbeat
	default:
		return false
	}
	if len(m.GetData()) > most || len(m.GetSeqno()) > maxSeqno || len(m.GetSignature()) > maxSignature ||
		len(m.GetKey()) > maxSignature || author != p.ID() && !p.IsMember(author) {
		return false
	}
	known, often := p.roster.mayTell(from, m.Size())
	if often {
		p.cfg.Budget.Refuse(limit.Announcements, p.Source(from))
	}
	return known && !often
}

// mayTell reports whether a peer is a member, and whether it has sent too much of late to take a
// message of that size.
func (r *roster) mayTell(id peer.ID, size int) (known, often bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	if e == nil || !e.member() {
		return false, false
	}
	if e.news == nil {
		e.news = rate.NewLimiter(newsPerSecond, maxNewsAtOnce)
	}
	return true, !e.news.AllowN(time.Now(), 1+size/newsUnit)
}
