package pathmap

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// HasMerged reports whether a member has merged deltas that are merged here, such as all of
// Heads: then it has all that they are based on as well, on its disk. It asks for the deltas
// themselves, as a registry that lacks them would, so members of all releases answer.
func (m *Map) HasMerged(ctx context.Context, id peer.ID, deltas []cid.Cid) (bool, error) {
	if m.cfg.Swarm == nil {
		return false, fmt.Errorf("ask %s for deltas: there is no swarm", id)
	}
	x, err := m.dial(ctx, id)
	if err != nil {
		return false, err
	}
	defer x.close()
	for some := range slices.Chunk(deltas, maxHeads) {
		merged, err := x.hasMerged(some)
		if err != nil {
			return false, fmt.Errorf("ask %s for deltas: %w", id, err)
		}
		if !merged {
			return false, nil
		}
	}
	return true, nil
}

// hasMerged asks for deltas until all have come, or the member says that it lacks one.
func (x *exchange) hasMerged(deltas []cid.Cid) (bool, error) {
	for len(deltas) > 0 {
		got, err := x.send(deltas)
		switch {
		case errors.Is(err, errBehindCut) && got < len(deltas): // the next one is in its past, without its block
			got++
		case errors.Is(err, errMember):
			return false, nil
		case err != nil:
			return false, err
		case got == 0 || got > len(deltas):
			return false, fmt.Errorf("%w: %d deltas of %d", errProtocol, got, len(deltas))
		}
		deltas = deltas[got:]
	}
	return true, nil
}

// send has the first of some deltas sent, as many as fit a page, and counts them.
func (x *exchange) send(deltas []cid.Cid) (got int, err error) {
	req := request{Op: opGet}
	for _, c := range deltas {
		req.Get.add(c)
	}
	alive(x.conn)
	if err := writeJSON(x.conn, req); err != nil {
		return 0, err
	}
	for ; ; got++ {
		frame, err := readFrame(x.r, maxDelta)
		if err != nil {
			return got, err
		}
		if len(frame) == 0 {
			break
		}
		alive(x.conn)
	}
	_, err = readAnswer(x.r)
	return got, err
}
