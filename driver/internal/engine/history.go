package engine

import (
	"context"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// compactable is what members have to understand before anything of the history is dropped: that a
// member may have dropped it, and gives its state then.
const compactable = "compaction"

// startCompacting has the map drop what all known registries have merged of its history.
func (e *Engine) startCompacting() {
	e.Paths.StartCompacting(pathmap.Compaction{
		Known: e.knownRegistries, Held: e.whyNotCompacted, Keep: e.cfg.KeepChanges, Every: e.cfg.CompactEvery,
	})
}

// knownRegistries are those that a collection of garbage hears, too: this one, the trusted members, whether
// they were met here or are only in the swarm's list, and whoever wrote to the map, but for those that are
// forgotten.
func (e *Engine) knownRegistries() ([]string, error) {
	forgotten, err := e.notWaited()
	if err != nil {
		return nil, err
	}
	return lease.Known(e.self.String(), e.trustedMembers(), e.Paths.Writers(), forgotten), nil
}

// whyNotCompacted is why nothing may be dropped now; "": it may.
func (e *Engine) whyNotCompacted() string {
	switch {
	case !e.AllUnderstand(compactable):
		return "a member is of an earlier release, or has not said yet of which it is"
	case e.Twinned() != "":
		return e.Twinned()
	case e.Joining():
		return "this registry is joining"
	}
	return ""
}

// noteCompacted writes down that changes may be known by name only, before any is: earlier releases then
// refuse to open this datastore. They know nothing of such names, and nobody could join from them.
func (e *Engine) noteCompacted(ctx context.Context) error {
	format, err := storedFormat(ctx, e.Store, compactedFormat)
	if err != nil || format == compactedFormat {
		return err
	}
	return setFormat(ctx, e.Store, compactedFormat)
}
