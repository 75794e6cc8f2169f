// Package attacker speaks the protocols of registries badly on purpose, from each position that
// somebody may have: a stranger at a socket, a holder of the protector key, a member of another
// topic, a member of the registries' own topic.
//
//	p, err := attacker.New(attacker.Config{Key: key, Topic: "ipfs-registry", From: "127.0.7.1"})
//	defer p.Close()
//	err = p.Holders(attacker.Mute)        // what it says when it is asked for blobs
//	err = p.Join(ctx, target)             // connects, and subscribes to the topic
//	held := p.Start(attacker.Slots(target, 64))
//	… held.Now() … // exchanges that it holds
//
// A Peer is one identity at one address; many identities are many Peers. Without a key it is a
// stranger, which has sockets only. Each attack counts in a Tally what it has achieved, so that a
// test whose attack does not arrive can fail.
//
// It builds its messages itself and imports none of the rooms that it attacks, so that their own
// tests can use it, and so that it can write what they would not.
//
// Limits: loopback, TCP and TLS only. It takes a goroutine and a descriptor or two for most of
// what it holds; it does not hide, and does not adapt to what it is answered.
package attacker
