package engine

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep"
)

// scrubFile is where the scrub keeps its place, below Config.Path.
const scrubFile = "scrub.json"

// openScrub makes what reads all blobs again and again.
func (e *Engine) openScrub(context.Context) error {
	e.Scrub = sweep.NewScrub(sweep.ScrubConfig{
		Blobs: e.Blobs, Interval: e.cfg.ScrubInterval, File: filepath.Join(e.cfg.Path, scrubFile),
		Wanted: e.wanted, Tables: e.Store.DamagedTables, Log: e.Log,
	})
	return nil
}

// wanted reports whether a blob is to be on this disk: an entry names it, and others are not known
// to be its keepers instead. It looks through the map.
func (e *Engine) wanted(c cid.Cid) bool {
	if keepers := e.Copies.Keepers(nil, c); len(keepers) > 0 && !slices.Contains(keepers, e.self) {
		return false
	}
	named := false
	all := e.Paths.View().CIDs(func(of cid.Cid) bool {
		named = of.Equals(c)
		return !named
	})
	return named || !all // what a later release wrote may name it
}
