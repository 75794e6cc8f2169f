package pathmap

import (
	"bufio"
	"container/heap"
	"context"
	"fmt"
	"sync"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

const maxRun = 64 // bytes of a run's text

// accept answers members until the listener closes.
func (m *Map) accept() {
	var wg sync.WaitGroup
	defer wg.Wait()
	all := served{bound: m.cfg.Swarm.Budget().Bound(limit.PathExchanges)}
	for {
		conn, err := m.listener.Accept()
		if err != nil {
			return
		}
		a, ok := all.admit(conn, m.sourceOf(conn))
		if !ok {
			_ = conn.Close() // busy: the member tries again, and takes it for no answer (unanswered.go)
			continue
		}
		wg.Go(func() {
			defer all.leave(a)
			stop := context.AfterFunc(m.ctx, func() { _ = conn.Close() })
			defer stop()
			defer func() { _ = conn.Close() }()
			m.serve(a)
		})
	}
}

// serve answers the requests of one connection, one after the other.
func (m *Map) serve(a *answering) {
	r := bufio.NewReader(a)
	var walk *ancestry
	for {
		alive(a)
		var req request
		if err := readJSON(r, &req); err != nil {
			return
		}
		a.progress()
		alive(a)
		var err error
		switch req.Op {
		case opHeads:
			err = m.answerHeads(a, req)
		case opDeltas:
			walk = m.newAncestry(req.Want, req.Have)
			err = m.sendPage(a, walk, req)
		case opMore:
			err = m.sendPage(a, walk, req)
		case opList:
			err = writeJSON(a, m.list(req))
		case opState:
			err = m.giveState(a, req.Had)
		case opGet:
			want, werr := req.Get.cids()
			err = m.sendPage(a, &picked{m, want, werr}, sized(req, len(want)))
		default:
			err = writeJSON(a, answer{Error: fmt.Sprintf("unknown operation %q", clip(req.Op))})
		}
		if err != nil {
			return
		}
	}
}

// answerHeads answers opHeads. A member that has to let versions lapse names its heads after
// that.
func (m *Map) answerHeads(a *answering, req request) error {
	id := m.cfg.Swarm.Remote(a.Conn)
	if req.Lapse == nil || !m.cfg.Swarm.Trusts(id) {
		heads := m.headsAnswer(id, req.Run)
		if req.Writer != "" {
			written := m.writtenBy(req.Writer)
			heads.Writer = &written
		}
		return writeJSON(a, heads)
	}
	lapsed, ticket := m.lapsed(*req.Lapse, req.Ticket)
	alive(a)
	heads := m.headsAnswer(id, req.Run)
	heads.Lapsed, heads.Ticket = &lapsed, ticket
	return writeJSON(a, heads)
}

// headsAnswer is the answer to a member that asks for heads in one of its runs.
func (m *Map) headsAnswer(id peer.ID, run string) answer {
	heads := m.Heads()                        // first: the counters are then no less than theirs
	heads = heads[:min(len(heads), maxHeads)] // no member reads more; what follows all of them comes with the next change
	counter := m.greatest()
	a := answer{Heads: heads, Counter: &counter, Behind: m.behind(), State: m.givesState()}
	if id == "" || run == "" || len(run) > maxRun {
		return a
	}
	twin, fresh := m.runs.hear(id, run, time.Now(), m.cfg.ExchangeInterval)
	if a.Twin = twin; fresh {
		written := m.written.by(id)
		a.Written = &written
	}
	return a
}

// ancestry walks from some deltas towards the oldest, greatest priority first,
// so that a delta always comes before its parents.
type ancestry struct {
	m     *Map
	seen  *cid.Set
	queue deltaQueue
	err   error
}

func (m *Map) newAncestry(want, have []cid.Cid) *ancestry {
	a := &ancestry{m: m, seen: cid.NewSet()}
	for _, c := range have {
		a.seen.Add(c)
	}
	for _, c := range want {
		a.push(c)
	}
	return a
}

// push queues a delta that is merged here. Only merged deltas are handed out, so that the
// heads that this registry names can always be followed to their roots.
func (a *ancestry) push(c cid.Cid) {
	if !a.seen.Visit(c) {
		return
	}
	priority, ok, err := a.m.known(c)
	if err == nil && !ok {
		err = fmt.Errorf("delta %s is not here", c)
	}
	if err != nil {
		a.err = err
		return
	}
	heap.Push(&a.queue, place{priority, c})
}

func (a *ancestry) more() bool { return a != nil && a.queue.Len() > 0 }

func (a *ancestry) next() (blocks.Block, bool, error) {
	if a == nil {
		return nil, false, nil // opMore came before opDeltas
	}
	if a.err != nil || a.queue.Len() == 0 {
		return nil, false, a.err
	}
	q := heap.Pop(&a.queue).(place)
	b, err := a.m.blocks.Get(a.m.ctx, q.cid)
	if err != nil {
		return nil, false, fmt.Errorf("read delta %s: %w", q.cid, err)
	}
	parents, err := parentsOf(b)
	if err != nil {
		return nil, false, err
	}
	for _, p := range parents {
		a.push(p)
	}
	return b, true, nil
}

// deltaQueue is a heap with the greatest priority on top.
type deltaQueue []place

func (q deltaQueue) Len() int           { return len(q) }
func (q deltaQueue) Less(i, j int) bool { return q[i].priority > q[j].priority }
func (q deltaQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *deltaQueue) Push(x any)        { *q = append(*q, x.(place)) }
func (q *deltaQueue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	*q = (*q)[:last]
	return x
}
