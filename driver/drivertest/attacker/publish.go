package attacker

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	topicsAtOnce = 2000
	topicSize    = 256 // bytes of a topic's name
)

// Subscriptions subscribes to topics of which nobody has heard, always further ones, so many
// thousands a second at most.
func Subscriptions(t Target, thousands int) Attack {
	return func(ctx context.Context, p *Peer, tally *Tally) {
		again(ctx, 1, tally, func(ctx context.Context) error {
			topics := make([]string, topicsAtOnce)
			for i := range topics {
				topics[i] = fmt.Sprintf("%s-%0*d", rand.Text(), topicSize-27, i)
			}
			defer rest(ctx, topicsAtOnce*time.Second/time.Duration(1000*thousands))
			return p.subscribe(ctx, t.Peer.ID, topics...)
		})
	}
}

// Announcements publishes messages of so many bytes, each by an author that nobody knows, and
// signed as it has to be.
func Announcements(t Target, topic string, size int, every time.Duration) Attack {
	return func(ctx context.Context, p *Peer, tally *Tally) {
		again(ctx, 1, tally, func(ctx context.Context) error {
			m, err := published(topic, size)
			if err != nil {
				return err
			}
			defer rest(ctx, every)
			return p.rpc(ctx, t.Peer.ID, &pb.RPC{Publish: []*pb.Message{m}})
		})
	}
}

// published is a message of a new author.
func published(topic string, size int) (*pb.Message, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, err
	}
	author, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return nil, err
	}
	m := &pb.Message{From: []byte(author), Data: make([]byte, size), Seqno: make([]byte, 8), Topic: &topic}
	_, _ = rand.Read(m.Data) // it never fails, here and below
	_, _ = rand.Read(m.Seqno)
	b, err := m.Marshal()
	if err == nil {
		m.Signature, err = key.Sign(append([]byte(pubsub.SignPrefix), b...))
	}
	return m, err
}
