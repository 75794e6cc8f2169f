// Package protector lets a libp2p host of a private network speak two protector keys while a swarm
// changes from one to the other (docs/decisions/0037-changing-the-key.md).
//
//	keys := protector.New(next, old)
//	libp2p.New(libp2p.PrivateNetwork(keys.Host()), …) // libp2p's own protector stays: it lets nothing by
//	tcp.NewTCPTransport(keys.Upgrader(u), …)          // who comes in may use either
//	keys.Dial(ctx, dial)                              // with the host's key first, then with the other
//
// libp2p's protector (https://github.com/libp2p/specs/blob/master/pnet/Private-Networks-PSK-V1.md)
// knows one key. A connection of the other key is translated below it, byte by byte: out of the
// other key's stream cipher into that of the host. Which key the other end uses is known from what
// every end says first, the header of multistream-select.
//
// Limits: a connection that is translated costs the cipher three times. Whoever has either key gets
// in.
package protector
