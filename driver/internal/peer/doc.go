// Package peer is this registry's peer in the swarm: libp2p host, pubsub and
// IPFS-Lite, on the public network a DHT, and the members that share its storage.
//
// A member is a peer that is connected (so it holds the protector key, if there is one) and
// subscribed to the topic. Members tell each other which members they are connected with, so
// one bootstrapper is enough to find all; every member dials all others, remembers them in
// the datastore, and redials those that it lost.
//
//	p, err := peer.New(ctx, peer.Config{Key: key, PSK: psk, Listen: addrs, Topic: "ipfs-registry", Store: badger, Blocks: blocks, Log: log})
//	p.OnMessage(func(from libpeer.ID, data []byte) { … }) // signed by from, who is trusted
//	p.OnMember(func(id libpeer.ID) { … })                 // id has just become reachable
//	err = p.Start()                                       // subscribes, then dials
//
// With Config.Changing, members also tell each other in heartbeats what they have room for, and
// whether they are to be switched off: Members has what was last heard, also of those that are
// away, and over restarts. A heartbeat comes from its author to each member directly, so that a
// member that is not connected is not heard.
//
// Limits: buffers and bounds are sized for a swarm of a thousand members. A message has at
// most MaxMessage bytes and may be lost. On the public network every peer that subscribes to
// the topic is a member: Trusts reports whose messages count.
package peer
