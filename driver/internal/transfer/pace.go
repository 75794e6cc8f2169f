package transfer

import "time"

const (
	// streams is how many ranges of one blob are received at once.
	streams = 3
	// firstRun and maxRun are how many leaves are asked for in one request: few at
	// first, so that a reader does not wait for what it does not need yet.
	firstRun = 2
	maxRun   = 16
)

// pace is how long a transfer waits for what. All but linger follow from
// Config.Stall, so that everything is tried more than once within it.
type pace struct {
	stall   time.Duration // without a verified leaf: the transfer has failed
	silence time.Duration // a holder that sends no byte
	slow    time.Duration // one leaf, when another holder could send it
	nobody  time.Duration // no member holds it, and each said so
	ask     time.Duration // members that do not answer
	grace   time.Duration // members that have not answered when one holds it
	retry   time.Duration // between looks at who is there
	backoff time.Duration // the longest pause before all are asked again
	linger  time.Duration // a transfer without readers
	grudge  time.Duration // a holder that sent wrong bytes of a blob
}

func paceFor(stall time.Duration) pace {
	return pace{
		stall:   stall,
		silence: min(stall/3, 10*time.Second),
		slow:    stall / 2,
		nobody:  stall / 10,
		ask:     min(stall/4, 2*time.Second),
		grace:   min(stall/20, 250*time.Millisecond),
		retry:   min(stall/20, 250*time.Millisecond),
		backoff: min(stall/5, 2*time.Second),
		linger:  time.Minute,
		grudge:  time.Minute,
	}
}
