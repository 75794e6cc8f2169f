// Package peer is this registry's peer in the swarm: libp2p host, DHT, pubsub
// and IPFS-Lite, and the members that share its storage.
//
// A member is a peer that is connected (so it holds the protector key, if there
// is one) and subscribed to the topic. Members tell each other whom they are
// connected with, so one bootstrapper is enough to find all; everybody dials
// everybody, remembers them in the datastore and redials those it lost.
//
//	p, err := peer.New(ctx, peer.Config{Key: key, PSK: psk, Listen: addrs, Topic: "ipfs-registry", Store: badger, Blocks: blocks, Log: log})
//	p.OnMessage(func(from libpeer.ID, data []byte) { … }) // signed by from, who is trusted
//	p.OnMember(func(id libpeer.ID) { … })                 // id has just become reachable
//	err = p.Start()                                       // subscribes, then dials
//
// Limits: a swarm of a thousand members is what buffers and limits are made
// for; a message has at most MaxMessage bytes and may be lost; what is subscribed
// to the topic on the public network is a member, whoever it is: Trusts tells
// whose word counts.
package peer
