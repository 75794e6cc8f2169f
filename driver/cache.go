package driver

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
)

// NoLimit is a cache size: what MinFree leaves.
const NoLimit Bytes = engine.NoLimit

// Share is a part of a disk: bytes, or hundredths of the disk's size. It is written 50GiB or 10%.
type Share struct {
	Bytes   Bytes
	Percent float64
}

// String implements fmt.Stringer.
func (s Share) String() string {
	if s.Bytes == 0 {
		return strconv.FormatFloat(s.Percent, 'f', -1, 64) + "%"
	}
	return humanize.IBytes(uint64(s.Bytes))
}

// shares decodes a Share as amounts does Bytes.
func shares(from, to reflect.Type, v any) (any, error) {
	if to != reflect.TypeFor[Share]() || from == to {
		return v, nil
	}
	if text, ok := v.(string); ok && strings.HasSuffix(text, "%") {
		n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(text, "%")), 64)
		return Share{Percent: n}, err
	}
	n, err := amounts(from, reflect.TypeFor[Bytes](), v)
	if err != nil {
		return v, err
	}
	return Share{Bytes: n.(Bytes)}, nil
}

func (p Parameters) checkCache() error {
	switch {
	case p.CacheSize < 0 && p.CacheSize != NoLimit:
		return errors.New("cachesize: is negative; 0 keeps nothing for longer than it is read, leave the key out for what minfree leaves")
	case p.MinFree.Bytes < 0 || !(p.MinFree.Percent >= 0 && p.MinFree.Percent <= 50): // also NaN
		return fmt.Errorf("minfree: %s of a disk cannot stay free; write up to 50%%, or a size such as 50GiB", p.MinFree)
	}
	return nil
}

// CacheStatus is what this registry has of blobs that it is not to keep.
type CacheStatus struct {
	Blobs        int    `json:"blobs"`
	Bytes        int64  `json:"bytes"`
	Limit        *int64 `json:"limit"`         // bytes; null: what MinFree leaves
	MinFree      int64  `json:"min_free"`      // bytes of the disk that are to stay free
	EvictedBlobs int    `json:"evicted_blobs"` // since the start
	EvictedBytes int64  `json:"evicted_bytes"` // of these
	Stuck        string `json:"stuck"`         // why no room can be made that is called for; "": it can, or is not called for
}

func (s *store) cacheStatus(n blobCounts) CacheStatus {
	c := s.engine.Cache.State()
	st := CacheStatus{
		Blobs: n.cached, Bytes: n.cachedBytes, MinFree: c.MinFree,
		EvictedBlobs: c.Evicted.Blobs, EvictedBytes: c.Evicted.Bytes, Stuck: c.Stuck,
	}
	if c.Limit != engine.NoLimit {
		st.Limit = &c.Limit
	}
	return st
}
