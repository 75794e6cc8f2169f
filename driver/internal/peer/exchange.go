package peer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// membersProtocol is how two members tell each other whom they know: one JSON
// document each way.
const membersProtocol protocol.ID = "/distribution-ipfs/members/1.0.0"

const (
	exchangeInterval = 10 * time.Second
	exchangeTimeout  = 10 * time.Second
	maxHello         = 1 << 20             // bytes of one document
	forgetAfter      = 30 * 24 * time.Hour // a member that was not seen since
)

// hello is what a member says of itself and of the others.
type hello struct {
	Version int             `json:"version"`
	Trust   string          `json:"trust"` // digest of the list of trusted peers
	Members []peer.AddrInfo `json:"members"`
}

// trustDigest identifies a list of trusted peers; everybody has its own.
func trustDigest(trusted []peer.ID) string {
	if trusted == nil {
		return "*"
	}
	ids := make([]string, len(trusted))
	for i, id := range trusted {
		ids[i] = id.String()
	}
	slices.Sort(ids)
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(ids), "\n")))
	return hex.EncodeToString(sum[:16])
}

// exchangeMembers talks with a connected member every few seconds.
func (p *Peer) exchangeMembers() {
	tick := time.NewTicker(exchangeInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-p.ctx.Done():
			return
		}
		if ids := p.Connected(); len(ids) > 0 {
			p.exchangeWith(ids[rand.IntN(len(ids))])
		}
	}
}

func (p *Peer) exchangeWith(id peer.ID) {
	ctx, cancel := context.WithTimeout(p.ctx, exchangeTimeout)
	defer cancel()
	s, err := p.host.NewStream(ctx, id, membersProtocol)
	if err != nil {
		return // it comes again
	}
	defer func() { _ = s.Close() }()
	if err := p.exchangeOn(s, true); err != nil {
		_ = s.Reset()
		p.log.WithField("peer", id).WithError(err).Debug("exchange of members")
	}
}

func (p *Peer) answerMembers(s network.Stream) {
	defer func() { _ = s.Close() }()
	if !p.awaitMember(s.Conn().RemotePeer()) || p.exchangeOn(s, false) != nil {
		_ = s.Reset()
	}
}

// exchangeOn writes ours and reads theirs, in this order when this side began.
func (p *Peer) exchangeOn(s network.Stream, began bool) error {
	_ = s.SetDeadline(time.Now().Add(exchangeTimeout))
	send := func() error {
		if err := json.NewEncoder(s).Encode(p.hello()); err != nil {
			return err
		}
		return s.CloseWrite()
	}
	if began {
		if err := send(); err != nil {
			return err
		}
	}
	var theirs hello
	if err := json.NewDecoder(io.LimitReader(s, maxHello)).Decode(&theirs); err != nil {
		return err
	}
	p.hear(s.Conn().RemotePeer(), theirs)
	if began {
		return nil
	}
	return send()
}

func (p *Peer) hello() hello {
	h := hello{Version: 1, Trust: p.trust}
	for _, m := range p.members.list() {
		if m.Connected || time.Since(m.Since) < time.Hour {
			h.Members = append(h.Members, peer.AddrInfo{ID: m.ID, Addrs: m.Addrs})
		}
	}
	return h
}

func (p *Peer) hear(from peer.ID, h hello) {
	p.members.setAddrs(from, p.host.Peerstore().Addrs(from))
	differs := h.Trust != p.trust
	if news := p.members.setTrust(from, differs); news && differs {
		p.log.WithField("peer", from).Warn("this member has another list of trustedpeers: give all members the same one")
	}
	others := slices.DeleteFunc(h.Members, func(i peer.AddrInfo) bool { return i.ID == p.host.ID() || i.ID == from || i.ID.Validate() != nil })
	p.members.learn(others)
	if err := p.remember(); err != nil && p.ctx.Err() == nil {
		p.log.WithError(err).Warn("the members' addresses were not stored: after a restart only bootstrappers are dialled")
	}
}

var memberKey = ds.NewKey("/peer/members")

type memory struct {
	Info peer.AddrInfo `json:"info"`
	Seen time.Time     `json:"seen"`
}

// remember stores the addresses of connected members for the next run.
func (p *Peer) remember() error {
	batch, err := p.cfg.Store.Batch(p.ctx)
	if err != nil {
		return err
	}
	for _, m := range p.members.list() {
		if !m.Connected {
			continue
		}
		b, err := json.Marshal(memory{peer.AddrInfo{ID: m.ID, Addrs: m.Addrs}, time.Now()})
		if err != nil {
			return err
		}
		if err := batch.Put(p.ctx, memberKey.ChildString(m.ID.String()), b); err != nil {
			return err
		}
	}
	return batch.Commit(p.ctx)
}

func (p *Peer) remembered() (infos []peer.AddrInfo, err error) {
	res, err := p.cfg.Store.Query(p.ctx, query.Query{Prefix: memberKey.String()})
	if err != nil {
		return nil, fmt.Errorf("read remembered members: %w", err)
	}
	defer func() { err = errors.Join(err, res.Close()) }()
	for r := range res.Next() {
		if r.Error != nil {
			return nil, fmt.Errorf("read remembered members: %w", r.Error)
		}
		var m memory
		if err := json.Unmarshal(r.Value, &m); err == nil && time.Since(m.Seen) < forgetAfter {
			infos = append(infos, m.Info)
		}
	}
	return infos, nil
}
