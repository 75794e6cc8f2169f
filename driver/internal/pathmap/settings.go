package pathmap

import (
	"context"
	"fmt"
	"strings"

	"github.com/multiformats/go-multihash"
)

// A setting holds for all registries of a swarm. It is kept as an entry whose identity CID
// carries the text, under a namespace that no path reaches. So it merges, counts in the
// digest, and survives releases that do not know it, just as entries do.

// settingMark begins the name of a setting where a path is expected: paths have no colon.
const settingMark = ":"

// maxSetting bounds the value of a setting in bytes.
const maxSetting = 128

func isSetting(path string) bool { return strings.HasPrefix(path, settingMark) }

// Setting returns the value of a setting; false when it has none, or one that this release
// cannot read. When registries set it at the same time, the greatest version wins on every
// registry, as with entries.
func (v View) Setting(name string) (value string, ok bool) {
	key := settingMark + name
	p, ok := v.s.settings.Get(key)
	if !ok {
		return "", false
	}
	return v.s.winner(key, p).text()
}

// HasSetting reports whether a setting has a value, even one that only a later release can
// read.
func (v View) HasSetting(name string) bool { return len(v.s.versionsOf(settingMark+name)) > 0 }

func (st stored) text() (string, bool) {
	if st.err != nil {
		return "", false
	}
	mh, err := multihash.Decode(st.entry.CID.Hash())
	if err != nil || mh.Code != multihash.IDENTITY {
		return "", false
	}
	return string(mh.Digest), true
}

// Settle gives a setting its first value; a setting that already has a value here keeps it.
// Like Put it returns when that is on this registry's disk. A name is lower-case letters; a
// value has at most 128 bytes.
func (m *Map) Settle(ctx context.Context, name, value string) error {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") != "" || len(value) > maxSetting {
		return fmt.Errorf("settle %q: not a name, or a value of more than %d bytes", name, maxSetting)
	}
	op, err := textOp(settingMark+name, value)
	if err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	op.UnlessAlive = true
	return m.Write(ctx, op)
}

// tellSettings reports the settings whose value has changed.
func (m *Map) tellSettings(before, now *snapshot) {
	if m.cfg.OnSetting == nil || before != nil && before.settings == now.settings {
		return
	}
	now.settings.Scan(func(key string, p packed) bool {
		value, ok := now.winner(key, p).text()
		if !ok {
			return true
		}
		name := strings.TrimPrefix(pathOf(key), settingMark)
		if before != nil {
			if old, had := (View{before}).Setting(name); had && old == value {
				return true
			}
		}
		m.cfg.OnSetting(name, value)
		return true
	})
}
