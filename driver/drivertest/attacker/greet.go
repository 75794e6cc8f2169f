package attacker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

const (
	helloProtocol protocol.ID = "/distribution-ipfs/members/1.0.0"
	patience                  = 10 * time.Second // with one answer
)

// Hello is a greeting between members, as it travels.
type Hello struct {
	Version int             `json:"version"`
	Trust   string          `json:"trust"`
	Self    []string        `json:"self"`
	Data    []string        `json:"data,omitempty"`
	Name    string          `json:"name,omitempty"`
	Caps    []string        `json:"caps,omitempty"`
	Beat    json.RawMessage `json:"beat,omitempty"`
	Want    bool            `json:"want,omitempty"`
	Members []HelloMember   `json:"members,omitempty"`
}

// HelloMember is what a greeting says of another member.
type HelloMember struct {
	ID    string   `json:"id"`
	Addrs []string `json:"addrs"`
	Caps  []string `json:"caps,omitempty"`
}

// Say sets what it answers to greetings. Version, and where its data port is, are filled in.
func (p *Peer) Say(h Hello) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hello = h
}

func (p *Peer) words() Hello {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.hello
	h.Version = max(h.Version, 1)
	if h.Data == nil {
		h.Data = p.data
	}
	return h
}

func (p *Peer) answerHello(s network.Stream) {
	defer func() { _ = s.Close() }()
	_ = s.SetDeadline(time.Now().Add(patience))
	var h Hello
	if err := json.NewDecoder(s).Decode(&h); err == nil {
		p.mu.Lock()
		p.told[s.Conn().RemotePeer()] = h
		p.mu.Unlock()
	}
	_ = json.NewEncoder(s).Encode(p.words())
}

// Greet sends a greeting as it is, and returns the answer: what a member says of itself.
func (p *Peer) Greet(ctx context.Context, t Target, greeting []byte) (Hello, error) {
	var h Hello
	answer, err := p.ask(ctx, t, helloProtocol, bytes.NewReader(greeting))
	if err == nil {
		err = json.Unmarshal(answer, &h)
	}
	if err != nil {
		return h, fmt.Errorf("greet: %w", err)
	}
	return h, nil
}

// Meet greets a target as a member does, and learns where its data port is.
func (p *Peer) Meet(ctx context.Context, t Target) (Hello, error) {
	b, err := json.Marshal(p.words())
	if err != nil {
		return Hello{}, err
	}
	return p.Greet(ctx, t, b)
}

// ask sends something on a stream of its own, closes its side, and reads to the end.
func (p *Peer) ask(ctx context.Context, t Target, proto protocol.ID, question io.Reader) ([]byte, error) {
	if p.host == nil {
		return nil, ErrStranger
	}
	s, err := p.host.NewStream(ctx, t.Peer.ID, proto)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Reset() }()
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	_ = s.SetDeadline(time.Now().Add(patience))
	if _, err := io.Copy(s, question); err != nil {
		return nil, err
	}
	if err := s.CloseWrite(); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(s, 8<<20))
}

// Bomb is a greeting of about so many bytes that is many times as large once it is decoded:
// members of whom nothing is said.
func Bomb(size int) []byte {
	return []byte(`{"version":1,"trust":"*","self":[],"members":[` + strings.Repeat("{},", size/3) + `{}]}`)
}

// Naming is a greeting that names n peers that nobody knows, each at all of the addresses.
func Naming(n int, addrs ...string) ([]byte, error) {
	h := Hello{Version: 1, Trust: "*", Self: []string{}}
	for range n {
		id, err := randomID()
		if err != nil {
			return nil, err
		}
		h.Members = append(h.Members, HelloMember{ID: id.String(), Addrs: addrs})
	}
	return json.Marshal(h)
}

// Greetings sends the same greeting again and again, so many at once. Did counts answers.
func Greetings(t Target, greeting []byte, atOnce int) Attack {
	return func(ctx context.Context, p *Peer, tally *Tally) {
		again(ctx, atOnce, tally, func(ctx context.Context) error {
			_, err := p.Greet(ctx, t, greeting)
			return err
		})
	}
}

// DataPort is the host:port of the data port that a member says it has; "": none.
func (h Hello) DataPort() string {
	for _, text := range h.Data {
		a, err := multiaddr.NewMultiaddr(text)
		if err != nil {
			continue
		}
		if _, at, err := manet.DialArgs(a); err == nil {
			return at
		}
	}
	return ""
}
