package driver

import (
	"context"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

// awaitJoined waits until this registry has caught up with a member, or knows that it is
// alone, for as long as the request may wait. When that was not enough it returns a
// Refusal. Every operation that reports something missing, lists, deletes, or follows a
// name that can move calls it first, because right after a start the map is that of the
// last run, or empty.
func (s *store) awaitJoined(ctx context.Context) error {
	return s.awaitPhase(ctx, s.paths.CaughtUp())
}

// awaitPhase is awaitJoined with a further event that may end the wait.
func (s *store) awaitPhase(ctx context.Context, enough <-chan struct{}) error {
	if !s.engine.Joining() {
		return nil
	}
	wait, cancel, ok := s.waits.begin(ctx, requestKeyOf(ctx), s.syncTimeout)
	if ok {
		defer cancel()
	} else {
		wait, cancel = context.WithCancel(ctx)
		cancel()
	}
	err := s.engine.AwaitJoined(wait, enough)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return behind(ctx, err)
	}
	return nil
}

// isTag reports whether a path is a tag's own, which moves.
func isTag(path string) bool { return ocipath.Parse(path).Tag != "" }
