package transfer

import (
	"math/rand/v2"
	"time"
)

const (
	// pieces is how many parts the first leaf is asked for in. A connection starts
	// with ten packets a round trip and doubles that: 1 MiB takes seven, a sixth of
	// it four.
	pieces   = 6
	minPiece = 64 << 10
	// maxPolled is how many registries in mid-transfer are asked at once which leaves they
	// have.
	maxPolled = 16
)

// timing is how long a transfer waits for each kind of event. All but the last follow from
// Config.Stall, so that everything is tried more than once within it.
type timing struct {
	stall   time.Duration // without a byte: the transfer has failed
	trickle time.Duration // without a verified leaf, likewise
	silence time.Duration // a holder that sends no byte
	slow    time.Duration // one leaf, when another holder could send it
	nobody  time.Duration // no member holds it, and each said so
	ask     time.Duration // members that do not answer
	grace   time.Duration // members that have not answered when one holds it
	retry   time.Duration // between looks at which members are connected
	backoff time.Duration // the longest pause before all are asked again
	alone   time.Duration // how long the first leaf has the whole bandwidth
	yield   time.Duration // for another registry to fetch what it is first in line for
	poll    time.Duration // between looks at what registries in mid-transfer have
	linger  time.Duration // a transfer without readers
	relay   time.Duration // registries that ask for a leaf within it get the leaf from each other
	grudge  time.Duration // a holder that sent wrong bytes of a blob
	mend    time.Duration // the longest between attempts to mend what no member had
	send    time.Duration // a member that takes none of the bytes sent to it
}

func timingFor(stall time.Duration) timing {
	return timing{
		stall:   stall,
		trickle: 4 * stall,
		silence: min(stall/3, 10*time.Second),
		slow:    stall / 2,
		nobody:  stall / 10,
		ask:     min(stall/4, 2*time.Second),
		grace:   min(stall/20, 250*time.Millisecond),
		retry:   min(stall/20, 250*time.Millisecond),
		backoff: min(stall/5, 2*time.Second),
		alone:   min(stall/10, time.Second),
		yield:   min(stall/20, 500*time.Millisecond),
		poll:    min(stall/20, 300*time.Millisecond),
		linger:  time.Minute,
		relay:   min(stall/3, 10*time.Second),
		grudge:  time.Minute,
		mend:    5 * time.Minute,
		send:    time.Minute,
	}
}

// jitter is d, or up to a third less or more.
func jitter(d time.Duration) time.Duration { return d*2/3 + rand.N(d*2/3+1) }
