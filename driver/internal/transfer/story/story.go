package story

import (
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// MaxSources is how many members a story tells of one by one.
const MaxSources = 32

// Asker is who has a transfer begin.
type Asker string

// These are the askers.
const (
	Client    Asker = "client"    // reads the blob, or waits for it
	Keeper    Asker = "keeper"    // this registry is to keep a copy
	Push      Asker = "push"      // one that waits for a copy here
	Manifests Asker = "manifests" // every registry has all of them
	Mend      Asker = "mend"      // the copy here is damaged
	Trace     Asker = "trace"     // the operator's command
)

// Result is how a transfer ended; "": it is under way.
type Result string

// These are the results.
const (
	Whole       Result = "whole"       // the blob is here
	Streamed    Result = "streamed"    // a client got the blob, which could not be kept
	Unavailable Result = "unavailable" // no reachable member gave the blob's bytes
	Failed      Result = "failed"      // the blob could not be kept here, or its DAG is wrong
	Abandoned   Result = "abandoned"   // nobody reads it any more, or this registry stops
)

// Results are all results.
var Results = []Result{Whole, Streamed, Unavailable, Failed, Abandoned}

// Road is the way by which bytes come from a peer.
type Road string

// These are the roads.
const (
	RoadData    Road = "data port"
	RoadStream  Road = "libp2p"
	RoadRelay   Road = "relay" // libp2p through another peer, which relays the connection
	RoadBitswap Road = "bitswap"
)

// Source is what came from a member.
type Source struct {
	Peer    peer.ID       // empty: any peers that answer by bitswap
	Roads   []Road        // of its answers, each once, the first one first
	Bytes   int64         // of verified leaves that nobody had sent before
	Leaves  int           // these
	Got     int64         // bytes of leaves, useful or not
	Asked   int           // orders, and questions for inner blocks
	Retries int           // of these, how many it failed, or was too slow for
	Wrong   int           // of these, how many it answered with wrong bytes
	First   time.Duration // from when it was first asked for leaves until its first byte came; 0: none did
	Busy    time.Duration // for which it had something to send
	Mute    time.Duration // of that, how long it sent nothing at all while it was waited for
}

// Rate is what it sent in a second in which it had something to send, in bytes.
func (s Source) Rate() float64 {
	if s.Busy <= 0 {
		return 0
	}
	return float64(s.Got) / s.Busy.Seconds()
}

// Phase is what a transfer waits for. At any moment it is in one phase.
type Phase int

// These are the phases.
const (
	Room      Phase = iota // for room on the disk
	Holders                // for a member to be found that has what is missing
	FirstByte              // for the first byte, after a holder was asked
	Flow                   // bytes come
	Mute                   // for holders that were asked and send nothing any more
	Feed                   // for registries that fetch the blob as well, which pass leaves on
	Workers                // for a place in the crew that all transfers share
	Disk                   // to write and sync, or to hash what an earlier run left
	Reader                 // for clients that read more slowly than the bytes come
	Pace                   // as this registry's own limit for copies wants
	Phases                 // how many there are
)

// String implements fmt.Stringer.
func (p Phase) String() string {
	return [Phases]string{"room", "holders", "first byte", "flow", "mute", "feed", "workers", "disk", "reader", "pace"}[p]
}

// Work is what the workers of a transfer did, who work at the same time.
type Work struct {
	Busy  time.Duration // altogether
	Hash  time.Duration // verifying leaves
	Write time.Duration // writing them
}

// Story is what is known of one transfer.
type Story struct {
	Number  uint64 // in the book, counted from 1; 0: it is in none
	CID     cid.Cid
	Size    int64 // of the blob, in bytes
	For     Asker
	Begun   time.Time
	First   time.Duration // from Begun until the first byte of a leaf came; 0: none did
	Ended   time.Time     // zero: it is under way
	Result  Result
	Error   string // why it failed
	Here    int64  // bytes of the blob that are here, verified; of a stream: were handed on
	Bytes   int64  // of verified leaves that came from others
	Copied  int64  // bytes of leaves that other blobs here had
	Before  int64  // bytes that an earlier transfer had left
	Readers int    // clients that still read it
	Times   [Phases]time.Duration
	Work    Work
	Sources []Source // the one with most bytes first
	Others  int      // members beyond MaxSources; the last source is what they sent
}

// Took is how long the transfer has taken, with what it waited for before it began.
func (s Story) Took() (sum time.Duration) {
	for _, d := range s.Times {
		sum += d
	}
	return sum
}

// Retries counts the orders and questions that had to be asked of somebody else, or again.
func (s Story) Retries() (n int) {
	for _, of := range s.Sources {
		n += of.Retries
	}
	return n
}

// Wrong counts the answers that were wrong.
func (s Story) Wrong() (n int) {
	for _, of := range s.Sources {
		n += of.Wrong
	}
	return n
}
