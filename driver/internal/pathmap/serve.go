package pathmap

import (
	"bufio"
	"container/heap"
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	maxServed = 64   // exchanges answered at once
	maxPage   = 4096 // deltas in one page
	maxRun    = 64   // bytes of a run's text
)

// accept answers members until the listener closes.
func (m *Map) accept() {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, maxServed)
	for {
		conn, err := m.listener.Accept()
		if err != nil {
			return
		}
		select {
		case slots <- struct{}{}:
		default:
			_ = conn.Close() // busy: they ask somebody else, or again
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			stop := context.AfterFunc(m.ctx, func() { _ = conn.Close() })
			defer stop()
			defer func() { _ = conn.Close() }()
			m.serve(conn)
		})
	}
}

// serve answers the requests of one connection, one after the other.
func (m *Map) serve(conn net.Conn) {
	r := bufio.NewReader(conn)
	var walk *ancestry
	for {
		alive(conn)
		var req request
		if err := readJSON(r, &req); err != nil {
			return
		}
		alive(conn)
		var err error
		switch req.Op {
		case opHeads:
			err = writeJSON(conn, m.headsAnswer(m.cfg.Swarm.Remote(conn), req.Run))
		case opDeltas:
			walk = m.newAncestry(req.Want, req.Have)
			err = sendPage(conn, walk, req.Page)
		case opMore:
			err = sendPage(conn, walk, req.Page)
		default:
			err = writeJSON(conn, answer{Error: fmt.Sprintf("unknown operation %q", req.Op)})
		}
		if err != nil {
			return
		}
	}
}

// headsAnswer is what a member is told that asks for heads in one of its runs.
func (m *Map) headsAnswer(id peer.ID, run string) answer {
	heads := m.Heads() // first: the counters are then no less than theirs
	counter := m.greatest()
	a := answer{Heads: heads, Counter: &counter}
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

func sendPage(conn net.Conn, walk *ancestry, page int) error {
	w := bufio.NewWriterSize(conn, 64<<10)
	var failed error
	for range min(max(page, 1), maxPage) {
		if walk == nil {
			break
		}
		b, ok, err := walk.next()
		if failed = err; err != nil || !ok {
			break
		}
		alive(conn)
		if err := writeFrame(w, b.RawData()); err != nil {
			return err
		}
	}
	if err := writeFrame(w, nil); err != nil {
		return err
	}
	a := answer{More: walk != nil && walk.queue.Len() > 0}
	if failed != nil {
		a = answer{Error: failed.Error()}
	}
	if err := writeJSON(w, a); err != nil {
		return err
	}
	return w.Flush()
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

// push queues a delta that is merged here; only such are handed out, so that
// what a member names can always be followed to its roots.
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
	heap.Push(&a.queue, queued{c, priority})
}

func (a *ancestry) next() (blocks.Block, bool, error) {
	if a.err != nil || a.queue.Len() == 0 {
		return nil, false, a.err
	}
	q := heap.Pop(&a.queue).(queued)
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

type queued struct {
	cid      cid.Cid
	priority uint64
}

// deltaQueue is a heap with the greatest priority on top.
type deltaQueue []queued

func (q deltaQueue) Len() int           { return len(q) }
func (q deltaQueue) Less(i, j int) bool { return q[i].priority > q[j].priority }
func (q deltaQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *deltaQueue) Push(x any)        { *q = append(*q, x.(queued)) }
func (q *deltaQueue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	*q = (*q)[:last]
	return x
}
