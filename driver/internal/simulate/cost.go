package simulate

import (
	"sync/atomic"
	"time"
)

// Kind is what a message is for.
type Kind int

// These are counted apart.
const (
	Announcements Kind = iota // of heads, and copies of them
	Gossip                    // about announcements and heartbeats that others may lack
	Heartbeats
	Hellos // with lists of members
	Heads  // questions for heads, and answers
	Deltas // likewise for deltas, and states
	kinds
)

func (k Kind) String() string {
	return [kinds]string{"announcements", "gossip", "heartbeats", "hellos", "heads", "deltas"}[k]
}

// Kinds are all of them.
func Kinds() (all []Kind) {
	for k := range kinds {
		all = append(all, k)
	}
	return all
}

// Headers around what is written at once: of a yamux frame, a TLS 1.3 record, and IPv4 and TCP with
// timestamps. A stream begins with the names of multistream and of its protocol, each way.
const (
	headers     = 12 + 22 + 52
	negotiation = 20 + 36
)

// Flow is what went one way, or both.
type Flow struct{ Messages, Bytes float64 }

// Cost is what a member sends and receives, on average.
type Cost struct {
	Members int
	Time    time.Duration
	By      map[Kind]Flow // a second
	Busiest Flow          // all of the member that had most bytes, a second
}

// All is the sum of all kinds, a second.
func (c Cost) All() (all Flow) {
	for _, f := range c.By {
		all.Messages, all.Bytes = all.Messages+f.Messages, all.Bytes+f.Bytes
	}
	return all
}

// tally is what one member has sent and received.
type tally struct {
	messages, bytes [kinds]atomic.Int64
}

// count notes a message of so many bytes, with its headers.
func (t *tally) count(k Kind, n int) {
	t.messages[k].Add(1)
	t.bytes[k].Add(int64(n) + headers)
}

// extra notes bytes that belong to other messages.
func (t *tally) extra(k Kind, n int) { t.bytes[k].Add(int64(n)) }

// Reset begins to count anew.
func (s *Swarm) Reset() {
	s.since = time.Now()
	for _, m := range s.members {
		for k := range kinds {
			m.tally.messages[k].Store(0)
			m.tally.bytes[k].Store(0)
		}
	}
}

// Cost is what was counted since Reset.
func (s *Swarm) Cost() Cost {
	c := Cost{Members: len(s.members), Time: time.Since(s.since), By: map[Kind]Flow{}}
	seconds := c.Time.Seconds()
	each := 1 / seconds / float64(len(s.members))
	for _, m := range s.members {
		var all Flow
		for k := range kinds {
			messages, bytes := float64(m.tally.messages[k].Load()), float64(m.tally.bytes[k].Load())
			f := c.By[k]
			c.By[k] = Flow{f.Messages + messages*each, f.Bytes + bytes*each}
			all.Messages, all.Bytes = all.Messages+messages/seconds, all.Bytes+bytes/seconds
		}
		if all.Bytes > c.Busiest.Bytes {
			c.Busiest = all
		}
	}
	return c
}
