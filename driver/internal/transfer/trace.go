package transfer

import (
	"context"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/fetch"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// Trace is Fetch for somebody who wants to know how it went. The story is that of the whole
// transfer, which another may have begun, also when there is an error; when ctx ends before the
// transfer does, that so far. Without a transfer, it has no number, no beginning and no source.
func (t *Transfers) Trace(ctx context.Context, ref dag.Ref) (story.Story, error) {
	none := story.Story{CID: ref.CID, Size: ref.Size, For: story.Trace}
	_, inline, err := inlined(ref)
	if err == nil && !inline && ref.Size <= 0 {
		err = t.keepNothing(ctx, ref)
	}
	if err != nil {
		none.Result, none.Error = story.Failed, err.Error()
		return none, err
	}
	if inline || ref.Size <= 0 || t.whole(ref) {
		none.Result, none.Here, none.Before = story.Whole, ref.Size, ref.Size
		return none, nil
	}
	j, err := t.joinAfterRoom(ctx, ref, purpose{fetch.Purpose{Leaf: 0}, story.Trace, true})
	if err != nil {
		none.Result, none.Error = resultOf(err), err.Error()
		return none, err
	}
	defer j.Leave()
	select {
	case <-j.Done():
		return *t.stories.left(j), j.Err()
	case <-ctx.Done():
	}
	so := t.placed(j.Story(), j)
	if told := t.stories.left(j); told != nil { // it has just ended
		return *told, j.Err()
	}
	so.For = story.Trace
	return so, ctx.Err()
}
