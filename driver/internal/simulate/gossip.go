package simulate

import (
	"sync"
	"time"

	pb "github.com/libp2p/go-libp2p-pubsub/pb"
)

// What gossipsub does as package peer sets it up: an author sends its message to all members, and
// whoever gets one passes it on to about as many as meshDegree. What was sent or seen in the last
// windows seconds is told every second to lazy members, or more, by the factor of Config.
const (
	meshDegree = 6
	windows    = 3
	lazy       = 6
)

// topicName and heartbeatsName are those of a swarm with nothing configured.
const (
	topicName      = "ipfs-registry"
	heartbeatsName = topicName + "/heartbeats"
)

// history is how many messages a member saw in each of the last seconds.
type history struct {
	mu sync.Mutex
	of [windows]int
}

func (h *history) add() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of[0]++
}

// shift begins another second, and says how many there were in the last ones.
func (h *history) shift() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, of := range h.of {
		n += of
	}
	copy(h.of[1:], h.of[:])
	h.of[0] = 0
	return n
}

// message is an announcement on its way.
type message struct {
	author *Member
	data   []byte
	size   int
	lost   []bool // by the number of who loses every copy

	mu   sync.Mutex
	seen []bool
}

// first reports whether a member sees the message for the first time.
func (a *message) first(m *Member) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.seen[m.number]
	a.seen[m.number] = true
	return !was
}

// announce sends an announcement to all.
func (s *Swarm) announce(from *Member, data []byte) {
	a := &message{author: from, data: data, size: sizeOfMessage(topicName, from, data), lost: make([]bool, len(s.members)), seen: make([]bool, len(s.members))}
	s.mu.Lock()
	for i := range a.lost {
		a.lost[i] = s.dice.Float64() < s.cfg.Loss
	}
	s.mu.Unlock()
	a.first(from)
	from.seen.add()
	for _, to := range s.members {
		if to != from {
			a.send(from, to)
		}
	}
}

func (a *message) send(from, to *Member) {
	from.tally.count(Announcements, a.size)
	if a.lost[to.number] {
		return
	}
	time.AfterFunc(from.delay(to), func() { a.arrive(from, to) })
}

// arrive hands the first copy to a member's map, and passes it on.
func (a *message) arrive(from, m *Member) {
	m.tally.count(Announcements, a.size)
	if !a.first(m) {
		return
	}
	m.seen.add()
	m.paths.Announced(a.author.id, a.data)
	for _, to := range m.mesh {
		if to != from && to != a.author {
			a.send(m, to)
		}
	}
}

// gossip counts what a member tells others of messages that it has seen: nobody asks for one.
func (s *Swarm) gossip(m *Member) {
	n := m.seen.shift()
	if n == 0 {
		return
	}
	beyond := max(0, len(m.others)-meshDegree)
	told := min(beyond, max(lazy, int(s.cfg.GossipFactor*float64(beyond))))
	s.toSome(m, told, Gossip, sizeOfGossip(n, m))
}

// toSome counts a message to some members at random.
func (s *Swarm) toSome(from *Member, n int, k Kind, size int) {
	s.mu.Lock()
	order := s.dice.Perm(len(s.members))
	s.mu.Unlock()
	for _, i := range order {
		if n == 0 {
			return
		}
		if to := s.members[i]; to != from {
			from.tally.count(k, size)
			to.tally.count(k, size)
			n--
		}
	}
}

const seqnoBytes, signatureBytes = 8, 64

// sizeOfMessage is how many bytes a message takes with its author and signature.
func sizeOfMessage(topic string, from *Member, data []byte) int {
	rpc := pb.RPC{Publish: []*pb.Message{{
		From: []byte(from.id), Data: data, Seqno: make([]byte, seqnoBytes), Topic: &topic, Signature: make([]byte, signatureBytes),
	}}}
	return rpc.Size()
}

// sizeOfGossip is how many bytes it takes to name so many messages.
func sizeOfGossip(n int, from *Member) int {
	topic, ids := topicName, make([]string, n)
	for i := range ids {
		ids[i] = string(from.id) + string(make([]byte, seqnoBytes))
	}
	rpc := pb.RPC{Control: &pb.ControlMessage{Ihave: []*pb.ControlIHave{{TopicID: &topic, MessageIDs: ids}}}}
	return rpc.Size()
}
