package pathmap

import (
	"bufio"
	"fmt"
	"io"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
)

// list names what is merged after a place. Only deltas on disk are named, so the parents of
// each were named before it.
func (m *Map) list(req request) (a answer) {
	if !m.ordered.Load() {
		return answer{Error: "the history is not in order yet"}
	}
	at := place{priority: req.Priority}
	cids, err := req.After.cids()
	if err == nil && len(cids) > 0 {
		at.cid = cids[0]
	}
	var places []place
	if err == nil {
		places, a.More, err = m.placesAfter(m.ctx, at, min(max(req.Page, 1), maxList))
	}
	if err != nil {
		return answer{Error: err.Error()}
	}
	for _, p := range places {
		a.List.add(p.cid)
		a.Last = p.priority
	}
	return a
}

// source is where the deltas of a page come from.
type source interface {
	next() (blocks.Block, bool, error)
	more() bool
}

// picked are deltas that are asked for by name; those that are merged are sent.
type picked struct {
	m    *Map
	want []cid.Cid
	err  error // of reading what is wanted
}

func (p *picked) more() bool { return len(p.want) > 0 }

func (p *picked) next() (blocks.Block, bool, error) {
	if p.err != nil || len(p.want) == 0 {
		return nil, false, p.err
	}
	c := p.want[0]
	p.want = p.want[1:]
	_, ok, err := p.m.known(c)
	if err == nil && !ok {
		err = fmt.Errorf("delta %s is not here", c)
	}
	if err != nil {
		return nil, false, err
	}
	b, err := p.m.blocks.Get(p.m.ctx, c)
	if err != nil {
		return nil, false, fmt.Errorf("read delta %s: %w", c, err)
	}
	return b, true, nil
}

// sized is a request for a page of some size.
func sized(req request, page int) request {
	req.Page = page
	return req
}

func (m *Map) sendPage(conn *answering, from source, req request) error {
	w := bufio.NewWriterSize(conn, 32<<10)
	var failed error
	for n, size := 0, 0; n < min(max(req.Page, 1), maxPage) && size < pageBytes; n++ {
		b, ok, err := from.next()
		if failed = err; err != nil || !ok {
			break
		}
		alive(conn)
		sent, err := m.sendDelta(w, b, req.Signed)
		if err != nil {
			return err
		}
		size += sent
	}
	if err := writeFrame(w, nil); err != nil {
		return err
	}
	a := answer{More: from.more()}
	if failed != nil {
		a = answer{Error: failed.Error(), Cut: ipld.IsNotFound(failed)}
	}
	if err := writeJSON(w, a); err != nil {
		return err
	}
	alive(conn)
	return w.Flush()
}

// sendDelta sends a delta, after its signature, if that is asked for.
func (m *Map) sendDelta(w io.Writer, b blocks.Block, signed bool) (size int, err error) {
	if signed {
		raw, err := m.signatureOf(b.Cid())
		if err == nil && raw != nil {
			size, err = len(raw), writeFrame(w, raw)
		}
		if err != nil {
			return 0, err
		}
	}
	return size + len(b.RawData()), writeFrame(w, b.RawData())
}
