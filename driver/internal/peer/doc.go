// Package peer is this registry's place in the swarm: a libp2p host, the topic
// its members share, IPFS-Lite for blocks, and who the members are.
//
//	p, err := peer.New(ctx, peer.Config{Key: key, PSK: psk, Listen: addrs, Topic: "ipfs-registry", …})
//	p.OnMessage(paths.Announced)
//	err = p.Start() // only now is anybody dialled
//	defer p.Close()
//
// A member is a connected peer that is subscribed to the topic; in a private
// network it has proven that it knows the protector key. Members tell each other
// of the members they know and everyone connects to everyone, so that any one
// bootstrapper is enough. Lost members are dialled again, less and less often.
//
// Limits: a swarm of some thousand members, because everyone is connected to
// everyone; the protector key cannot be revoked for one member.
package peer
