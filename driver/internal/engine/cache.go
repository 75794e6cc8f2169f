package engine

import (
	"context"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/evict"
)

// NoLimit is a CacheSize.
const NoLimit = evict.NoLimit

// MinFree is how much of a disk stays free: bytes, or hundredths of its size.
type MinFree struct {
	Bytes   int64
	Percent float64
}

// of is how many bytes that are.
func (m MinFree) of(total uint64) int64 { return max(m.Bytes, int64(float64(total)*m.Percent/100)) }

// openCache makes the cache, which makes room when room is short.
func (e *Engine) openCache(context.Context) error {
	e.Cache = sweep.NewCache(sweep.CacheConfig{
		Blobs: e.Blobs, Bytes: e.Bytes, Map: e.Paths.View, Limit: e.cfg.CacheSize, MinFree: e.minFree,
		Keeps: e.Copies.Keeps, Members: func() int { return e.Copies.State().View }, GiveUp: e.Copies.GiveUp, Log: e.Log,
	})
	e.Blobs.Room().OnShort(e.Cache.MakeRoom)
	if _, total := e.DiskSpace(); total > 0 && uint64(e.cfg.MinFree.Bytes) >= total {
		e.Log.Warnf("minfree: %s cannot stay free of a disk of %s: this registry fetches no copies for others, and caches nothing",
			humanize.IBytes(uint64(e.cfg.MinFree.Bytes)), humanize.IBytes(total))
	}
	return nil
}

// minFree is how many bytes of the disk are to stay free.
func (e *Engine) minFree() int64 {
	_, total := e.DiskSpace()
	return e.cfg.MinFree.of(total)
}
