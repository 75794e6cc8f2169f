package main

import (
	"crypto/sha256"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/multiformats/go-multihash"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/attacker"
)

// Where somebody is who attacks.
const (
	stranger  = "stranger"
	keyHolder = "key holder"
	other     = "member of another topic"
	untrusted = "untrusted member"
	trusted   = "trusted member"

	stays = "stays" // whatever other attacks are asked for
)

// strangers have sockets.
func (a *attackers) strangers() error {
	p, err := a.peer(attacker.Config{}, 0, 0)
	if err != nil {
		return err
	}
	for _, t := range a.targets {
		swarm, err := manetAddr(t)
		if err != nil {
			return err
		}
		a.start(stranger, "silent sockets at the swarm's port", p, attacker.Silent(swarm, a.n(150)))
		a.start(stranger, "silent sockets at the data port", p, attacker.Silent(t.Data, a.n(150)))
		a.start(stranger, "half a TLS greeting at the data port", p, attacker.Sockets(t.Data, "\x16\x03\x01\x02\x00\x01", 0, a.n(100)))
		a.start(stranger, "half-sent HTTP headers", p, attacker.HalfHeaders(t.HTTP, a.n(1000)))
	}
	return nil
}

// keyHolders have a connection, and are on no topic.
func (a *attackers) keyHolders() error {
	for i := range a.n(8) {
		p, err := a.peer(attacker.Config{Key: a.plan.Key}, 1, i%4)
		if err != nil {
			return err
		}
		for _, t := range a.targets {
			a.start(keyHolder, "connections with 16 streams each", p, attacker.Conns(t, a.n(20), 16, "/ipfs/ping/1.0.0"))
			if i == 0 {
				a.start(keyHolder, stays+" connected", p, attacker.Stay(t))
				a.start(keyHolder, "DHT records of made-up keys", p, attacker.Providers(t))
				a.start(keyHolder, "bitswap wants of made-up blocks", p, attacker.Wants(t, 2))
			}
		}
	}
	return nil
}

// otherTopic is on a topic of its own.
func (a *attackers) otherTopic() error {
	for i := range a.n(4) {
		p, err := a.peer(attacker.Config{Key: a.plan.Key, Topic: "another"}, 2, i)
		if err != nil {
			return err
		}
		for _, t := range a.targets {
			a.start(other, stays+" connected", p, attacker.Stay(t))
			a.start(other, "subscriptions to made-up topics", p, attacker.Subscriptions(t, 4))
			a.start(other, "announcements by made-up authors", p, attacker.Announcements(t, a.plan.Topic, 256<<10, 200*time.Millisecond))
			a.start(other, "greetings of 4 MiB", p, attacker.Greetings(t, attacker.Bomb(4<<20-100), 1))
		}
	}
	return nil
}

// untrusted are on the registries' topic.
func (a *attackers) untrusted() error {
	for i := range a.n(16) {
		p, err := a.peer(attacker.Config{Key: a.plan.Key, Topic: a.plan.Topic}, 3, i%4)
		if err != nil {
			return err
		}
		how, name := attacker.Mute, "mute holders"
		switch i % 4 {
		case 1:
			how, name = attacker.Drip, "dripping holders"
		case 2:
			how, name = attacker.Lie, "lying holders"
		case 3:
			how, name = attacker.Partly, "holders of parts that send none"
		}
		if err := a.hold(untrusted, name, p, how); err != nil {
			return err
		}
		for _, t := range a.targets {
			a.start(untrusted, stays+" a member", p, attacker.Stay(t))
			a.member(i, p, t)
		}
	}
	return a.sybils()
}

// member is what each of the untrusted members does to each registry.
func (a *attackers) member(i int, p *attacker.Peer, t attacker.Target) {
	a.start(untrusted, "path exchanges held", p, attacker.Slots(t, 4))
	a.start(untrusted, "slow readers", p, attacker.SlowReaders(t, attacker.LeafCID(a.plan.Blob), a.n(64)))
	switch i % 8 {
	case 0:
		a.start(untrusted, "greetings of 4 MiB", p, attacker.Greetings(t, attacker.Bomb(4<<20-100), a.n(5)))
	case 1:
		a.start(untrusted, "a third party named as peers", p, attacker.ThirdParty(t, a.n(4000), 10*time.Second))
	case 2:
		a.start(untrusted, "strangers named as peers", p, attacker.Named(t, a.n(4096), 10*time.Second))
	case 3:
		a.start(untrusted, "path requests of 1 MiB", p, attacker.PathBombs(t, 1))
	case 4:
		a.start(untrusted, "announcements by made-up authors", p, attacker.Announcements(t, a.plan.Topic, 256<<10, 200*time.Millisecond))
	case 5:
		a.start(untrusted, "subscriptions to made-up topics", p, attacker.Subscriptions(t, 4))
	}
}

// sybils come and go, each a new identity.
func (a *attackers) sybils() error {
	p, err := a.peer(attacker.Config{}, 4, 0)
	if err != nil {
		return err
	}
	cfg := attacker.Config{Key: a.plan.Key, Topic: a.plan.Topic, From: address(4, 0)}
	for _, t := range a.targets {
		a.start(untrusted, "identities that come and go", p, attacker.Sybils(cfg, t, a.n(8), time.Second))
	}
	return nil
}

// trusted is one that the operators let write, and which says what cannot be.
func (a *attackers) trusted() error {
	key, err := crypto.UnmarshalPrivateKey(a.plan.Trusted)
	if err != nil {
		return err
	}
	p, err := a.peer(attacker.Config{Key: a.plan.Key, Topic: a.plan.Topic, Identity: key}, 5, 0)
	if err != nil {
		return err
	}
	if name := "entries of absurd size"; a.wanted(name) {
		t, err := p.Poison(poison()...)
		if err != nil {
			return err
		}
		a.note(trusted, name, t)
	}
	if err := a.hold(trusted, "holder of parts that sends none", p, attacker.Partly); err != nil {
		return err
	}
	for _, t := range a.targets {
		a.start(trusted, stays+" a member", p, attacker.Stay(t))
		a.start(trusted, "path exchanges held", p, attacker.Slots(t, 4))
		a.start(trusted, "greetings of 4 MiB", p, attacker.Greetings(t, attacker.Bomb(4<<20-100), 1))
	}
	return nil
}

// Where the entries of absurd size are.
const (
	poisoned = "attack/poison"
	poisonID = "abababababababababababababababababababababababababababababababab"
)

// poison are a tag and a blob of 2^62 bytes, and a tag that is a link of 512 MiB.
func poison() []attacker.Entry {
	repo := "/docker/registry/v2/repositories/" + poisoned
	// The root of many leaves: no size speaks against it.
	nobodys := cid.NewCidV1(cid.DagProtobuf, attacker.LeafCID(sha256.Sum256([]byte("what nobody has"))).Hash())
	return []attacker.Entry{
		{Path: repo + "/_manifests/tags/big/current/link", CID: nobodys, Size: 1 << 62},
		{Path: repo + "/_manifests/tags/long/current/link", CID: nobodys, Size: 512 << 20},
		{Path: repo + "/_layers/sha256/" + poisonID + "/link", CID: identity("sha256:" + poisonID), Size: 71},
		{Path: "/docker/registry/v2/blobs/sha256/ab/" + poisonID + "/data", CID: nobodys, Size: 1 << 62},
	}
}

// identity is a CID that carries its bytes.
func identity(text string) cid.Cid {
	hash, err := multihash.Sum([]byte(text), multihash.IDENTITY, -1)
	if err != nil {
		return cid.Undef // it is short
	}
	return cid.NewCidV1(cid.Raw, hash)
}
