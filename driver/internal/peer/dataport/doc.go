// Package dataport is TLS 1.3 between members, beside libp2p: at the speed of the processor's
// AES, without the protector key's slower cipher below TLS
// (docs/decisions/0005-data-port.md). Both ends prove their peer ID with the certificate of
// libp2p's TLS handshake (https://github.com/libp2p/specs/blob/master/tls/tls.md).
//
//	port, err := dataport.Open(dataport.Config{Identity: identity, Self: self, Listen: addrs, Admit: isMember, Log: log})
//	http.Serve(port.Listener(), handler)                // connections of peers that Admit lets in
//	conn, err := port.Dial(ctx, id, []multiaddr.Multiaddr{addr}) // id is at the other end, or err is not nil
//	port.Close()
//
// Limits: it decides once, when a connection is made, whether a peer is let in. Code that
// answers requests has to ask again at each of them, since connections outlive memberships.
// A connection belongs to the caller that dialed or accepted it: Close leaves it open. The
// port neither finds addresses nor remembers which of them failed.
package dataport
