// Package wire is how members ask each other for blobs: HTTP/1.1 over TLS to a member's data
// port, and over streams where that cannot be reached. Both ends are here, so that what one
// writes the other reads.
//
//	c := wire.NewClient(alive, swarm, 2*time.Second, 8)
//	whole, some, err := c.Holds(ctx, member, ref, false)
//	body, err := c.Span(ctx, member, ref.CID, 0, 1<<20, wire.Terms{Relay: true})
//
//	s := wire.NewServer(wire.ServerConfig{Answers: wire.Answers{Blob: open, …}, Admits: swarm.Admits, …})
//	err := s.Serve(listener)
//
// These are the requests. None has a body.
//
//	GET, HEAD /v1/blobs/<cid>       a blob, or a range of it; 404 when it is not here,
//	                                with a Blob-Partial header when some leaves are:
//	                                then ranges that begin in such a leaf are answered,
//	                                and with ?wait=<duration> those in a leaf that will be;
//	                                with ?relay perhaps a 300 whose Blob-Relays header
//	                                names who has the bytes earlier;
//	                                with ?remains also what is right of a damaged blob,
//	                                for which the header says so
//	GET       /v1/blobs/<cid>/have  which leaves are here (bitset.Set)
//	POST      /v1/blobs/<cid>/doubt?leaf=<n>
//	                                who asks got other bytes than that leaf's; 202 when
//	                                it will be looked at, 429 after too many
//	GET       /v1/blocks/<cid>      an inner block; leaves are ranges of their blob
//
// HEAD with ?fetching tells that the asking registry is fetching the blob, too.
//
// Registries of different releases share a swarm: parameters and headers are added, and none
// changes its meaning.
//
// Limits: nothing is verified here, neither what a member sends nor whether a member may ask;
// the client bounds how much it reads of an answer, and not how long that takes, which is up
// to the context. A member is answered 256 requests at once, all members together 4096.
package wire
