package limit

import "maps"

// What is a kind of thing that is bounded, as metrics and the log name it.
type What string

// These are bounded in number.
const (
	Handshakes      What = "handshakes"       // begun at the peer's port, and not yet done
	Connections     What = "connections"      // accepted at the peer's port
	Streams         What = "streams"          // opened by peers
	Windows         What = "windows"          // of streams, in units of WindowUnit
	DataHandshakes  What = "data handshakes"  // begun at the data port, and not yet done
	DataConnections What = "data connections" // accepted at the data port
	Requests        What = "requests"         // for blobs and about them, being answered
	PathExchanges   What = "path exchanges"   // in which heads and deltas are asked for
	CopiesQuestions What = "copies questions" // of these, about copies
	Summaries       What = "summaries"        // of this registry, being told to members
	Holds           What = "holds"            // of these, to keep what has no entry yet
	EarlyUploads    What = "early uploads"    // of members, that are taken while they grow
	BitswapMessages What = "bitswap messages" // being read: large ones, which bring blocks
	Greetings       What = "greetings"        // of members, being answered; and those that come too often, or are too large
)

// These are refused by their rooms, whose rules bound them otherwise.
const (
	Announcements What = "announcements"  // of a member that sends too many, or too much
	RPCs          What = "pubsub RPCs"    // that are too large, or have too many parts
	Dials         What = "dials"          // of addresses that a member names, when too many were in vain
	Unlisted      What = "unlisted peers" // connections of those that may have none, whatever they ask for
)

// These are bounded in how often they happen.
const (
	Wants        What = "bitswap wants"    // of strangers, and what cancels them
	Arrivals     What = "arrivals"         // of connections at the peer's port
	DataArrivals What = "data arrivals"    // likewise at the data port
	Names        What = "lists of members" // that members ask for
	DialBacks    What = "dial backs"       // of members that ask whether they are reached
)

// SlowReaders are answers that were ended while requests were too many: package wire decides which.
const SlowReaders What = "slow readers"

// table is how much of each thing there may be: the one place for these numbers.
// docs/security.md says what they come to.
func table(m Machine) map[What]Bounds {
	all := connecting(m)
	maps.Copy(all, asking(m))
	return all
}

// connecting is how peers may be connected.
func connecting(m Machine) map[What]Bounds {
	mib := int(m.Memory >> 20)
	files := m.Descriptors
	shakes := clamp(mib, 256, 2048, files/8)
	conns := clamp(4*mib, 1024, 8192, files/4)
	streams := clamp(16*mib, 8192, 65536)
	data := clamp(4*mib, 1024, 4096, files/4)
	windows := int(m.Network() / WindowUnit)
	return map[What]Bounds{
		// A handshake takes some 50 KiB and at most five seconds. Strangers are those at addresses
		// at which no member is known.
		Handshakes: door(shakes),
		// A connection takes some 150 KiB. A peer that is to be a member is one in no time.
		Connections: {
			Total:    conns,
			Reserved: PerRank{Member: share(conns, 8) * 3, Trusted: share(conns, 2)},
			Peer:     PerRank{Connected: 8, Member: 8, Trusted: 16},
			Address:  PerRank{Connected: share(conns, 32), Member: share(conns, 8), Trusted: share(conns, 2)},
		},
		// A stream counts for its first window as soon as it is there, whoever opens it, and for
		// more when much comes. What is not read at once takes as much memory.
		Windows: {
			Total:    windows,
			Reserved: PerRank{Member: windows / 8, Trusted: windows / 8 * 5},
			Peer:     PerRank{Connected: 64, Member: windows / 8, Trusted: windows / 4},
			Address:  PerRank{Connected: windows / 8, Member: windows / 4, Trusted: windows / 4 * 3},
		},
		Streams: {
			Total:    streams,
			Reserved: PerRank{Member: share(streams, 16) * 7, Trusted: share(streams, 2)},
			Peer:     PerRank{Connected: 32, Member: 512, Trusted: 1024},
			Address:  PerRank{Connected: share(streams, 64), Member: share(streams, 8), Trusted: share(streams, 2)},
		},
		DataHandshakes: door(shakes),
		DataConnections: {
			Total:    data,
			Reserved: PerRank{Trusted: share(data, 2)},
			Peer:     PerRank{Member: min(64, share(data, 8)), Trusted: min(256, share(data, 4))},
			Address:  PerRank{Member: share(data, 4), Trusted: share(data, 2)},
		},
	}
}

// asking is what peers may ask for at the same time.
func asking(m Machine) map[What]Bounds {
	mib := int(m.Memory >> 20)
	paths := clamp(mib/16, 64, 512, m.Descriptors/8)
	requests := clamp(2*mib, 512, 4096)
	return map[What]Bounds{
		// A greeting takes some 100 KiB. All members greet one that comes back.
		Greetings: {
			Total:    512,
			Reserved: PerRank{Trusted: 384},
			Peer:     Each(2),
			Address:  PerRank{Member: 32, Trusted: 384},
		},
		// A message takes up to 4 MiB, and again while it is decoded. Blocks come by bitswap only
		// when no member has them.
		BitswapMessages: {
			Total:   clamp(mib/32, 32, 64),
			Peer:    Each(8),
			Address: Each(clamp(mib/128, 8, 32)),
		},
		// An exchange takes some 300 KiB while it is answered. A member has one that it keeps, and
		// needs one or two besides.
		PathExchanges: {
			Total:    paths,
			Reserved: PerRank{Trusted: share(paths, 4) * 3},
			Peer:     Each(4),
			Address:  PerRank{Member: share(paths, 16), Trusted: share(paths, 4) * 3},
		},
		// A request takes some 50 KiB. A member asks for a few ranges of each blob, and once for
		// each blob that it looks for.
		Requests: {
			Total:    requests,
			Reserved: PerRank{Trusted: requests / 2},
			Peer:     PerRank{Member: min(64, requests/32), Trusted: min(256, requests/8)},
			Address:  PerRank{Member: requests / 8, Trusted: requests / 2},
		},
		// An answer takes up to some 100 KiB, and time.
		CopiesQuestions: {
			Total:    128,
			Reserved: PerRank{Trusted: 96},
			Peer:     PerRank{Member: 4, Trusted: 16},
			Address:  PerRank{Member: 16, Trusted: 96},
		},
		// An answer takes a kilobyte, and some counting. Members are asked once or twice each time an
		// operator wants to see them all.
		Summaries: {
			Total:    64,
			Reserved: PerRank{Trusted: 48},
			Peer:     Each(2),
			Address:  PerRank{Member: 8, Trusted: 48},
		},
		// They stay open until a push is over, and must not take all the room of the requests by
		// which it ends.
		Holds: {
			Total:    1024,
			Reserved: PerRank{Trusted: 768},
			Peer:     PerRank{Member: 16, Trusted: 64},
			Address:  PerRank{Member: 128, Trusted: 768},
		},
		// Each is a file that grows on this disk, as fast as a client sends it there. They are taken
		// of trusted members only; others are let in to be told so.
		EarlyUploads: {
			Total:    64,
			Reserved: PerRank{Trusted: 60},
			Peer:     Each(16),
			Address:  PerRank{Member: 4, Trusted: 64},
		},
	}
}

// door is that of a number of handshakes: half of them at addresses of members.
func door(total int) Bounds {
	return Bounds{
		Total:    total,
		Reserved: PerRank{Member: total / 2},
		Address:  PerRank{share(total, 8), share(total, 8), share(total, 4), share(total, 4)},
		Fair:     true,
	}
}

// rates is how often things may happen: the same for what has no end.
func rates(Machine) map[What]Rates {
	return map[What]Rates{
		// To look for a block takes up to 0.1 ms. A gibibyte has a thousand, each asked for twice.
		Wants: {
			All:     EachPace(2048, 8192),
			Peer:    EachPace(512, 2048),
			Address: EachPace(1024, 4096),
		},
		// All members redial after a partition, and may share one address. A connection costs
		// some milliseconds of the processor.
		Arrivals: {All: EachPace(400, 4000), Address: EachPace(100, 2000), Fair: true},
		// Members open some for many a blob that they fetch.
		DataArrivals: {
			All:     [ranks]Pace{Stranger: {400, 4000}, Member: {4000, 8000}},
			Address: [ranks]Pace{Stranger: {100, 2000}, Member: {2000, 4000}},
			Fair:    true,
		},
		// To name five hundred members takes some 8 ms. A member asks one other for them every ten
		// seconds, and all ask one that comes back.
		Names: {
			All:     [ranks]Pace{Member: {32, 256}, Trusted: {64, 2048}},
			Address: [ranks]Pace{Member: {8, 64}, Trusted: {32, 1024}},
		},
		// An operator asks for one. It dials up to eight addresses, and takes up to five seconds.
		DialBacks: {All: EachPace(2, 64), Peer: EachPace(0.2, 4), Address: EachPace(1, 32)},
	}
}

// share is a part of a number, and never nothing.
func share(n, of int) int { return max(1, n/of) }

// clamp is n, at least and at most, and not over the last bounds whatever the least is.
func clamp(n, least, most int, over ...int) int {
	n = min(max(n, least), most)
	for _, o := range over {
		n = min(n, max(1, o))
	}
	return n
}
