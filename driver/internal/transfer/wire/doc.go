// Package wire is how members ask each other for blobs: by HTTP/1.1, over TLS to a member's data
// port, or over streams where the data port cannot be reached. Both ends are here, so that each
// reads what the other writes.
//
//	c := wire.NewClient(alive, swarm, 2*time.Second, 8)
//	whole, some, err := c.Holds(ctx, member, ref, false)
//	body, err := c.Span(ctx, member, ref.CID, 0, 1<<20, wire.Terms{Relay: true})
//
//	s := wire.NewServer(wire.ServerConfig{Answers: wire.Answers{Blob: open, …}, Admits: swarm.Admits, …})
//	err := s.Serve(listener)
//
// These are the requests. Only the last has a body.
//
//	GET, HEAD /v1/blobs/<cid>  A blob, or a range of it. The answer is 404 when the blob is not
//	                           here whole, with a Blob-Partial header when some leaves are here.
//	                           While the blob is being fetched here, a range that begins in
//	                           such a leaf is answered all the same, and any other with 416.
//	    ?fetching              With HEAD: the asking registry is fetching the blob itself.
//	    ?wait=<duration>       Before the 416, wait that long for the leaf.
//	    ?relay                 The answer may be a 300 with a Blob-Relays header, which names
//	                           members that have the bytes earlier.
//	    ?remains               Answer a range of a damaged blob, too, if all of its leaves are
//	                           undamaged. For such a blob the Blob-Partial header is "damaged".
//	GET  /v1/blobs/<cid>/have  Which leaves are here, as a bitset.Set.
//	POST /v1/blobs/<cid>/doubt?leaf=<n>
//	                           The asking registry got bytes that are not those of this leaf.
//	                           202 when the leaf will be checked, 429 after too many doubts.
//	POST /v1/blobs/<cid>/keep?size=<n>&wait=<duration>
//	                           Have the blob on your disk: it is fetched here if need be, from the
//	                           asking registry first. 102 when that has begun. The bytes are
//	                           kept, whether or not an entry names them, as long as the request
//	                           lasts. 502 when they cannot be fetched, 504 when they did not come
//	                           in time, 507 when there is no room, 403 to one that is not trusted.
//	    ?heads=<cid>,…         204 when the blob and these deltas of the path map are on disk.
//	                           Without heads there is no answer until the time has passed.
//	    ?upload=<token>        The blob is what has become of an upload that was taken (below).
//	POST /v1/uploads/<token>/take?size=<n>&wait=<duration>
//	                           Get this upload of the asking registry while it grows, and hold
//	                           it until a blob is to be kept that it has become. 204 when it is
//	                           a blob; other answers as those of keep. size is 0 when unknown.
//	GET  /v1/uploads/<token>   Such an upload, from its first byte on, as its bytes come. It ends
//	                           with the upload, or when that is given up.
//	GET  /v1/blocks/<cid>      An inner block. Leaves are ranges of their blob.
//	POST /v1/copies            How much of each of up to 1000 blobs is on the disk, and whether
//	                           it is kept: trusted members tell trusted members. Question and
//	                           answer are JSON: {"cids":["bafk…"],"relies":true} →
//	                           {"copies":[{"whole":true,"kept":true,"leaves":3,"of":3}]}, in
//	                           the same order. 503 when too many are asked at once.
//
// A request that belongs to a trace has a Traceparent header (package spans), which is followed when
// a trusted member sends it.
//
// Registries of different releases share a swarm: new parameters and headers may be added, but
// none may change its meaning.
//
// Limits: this package verifies no bytes, and which peers may ask is up to ServerConfig.Admits.
// The client bounds how much it reads of an answer, but not how long that takes: that is up to
// the context. How many requests of one member are answered at once, and of all, is up to the budget
// (package limit).
package wire
