package pathmap

import "github.com/ipfs/go-cid"

// CIDs calls f for the CID of each live version of each path, also of versions that lose to
// another, until f returns false. It reports whether it told them all: a version of a later
// release names a CID that this release cannot read.
func (v View) CIDs(f func(cid.Cid) bool) (all bool) {
	all = true
	v.s.paths.Scan(func(key string, p packed) bool {
		for len(p) > 0 && all {
			var st stored
			st, p = v.s.writers.unpack(key, p)
			all = st.err == nil && f(st.entry.CID)
		}
		return all
	})
	return all
}

// tellNamed tells what the entries at paths that a change adds name. Nobody else sees snap yet.
func (m *Map) tellNamed(snap *snapshot, paths []string) {
	if m.cfg.OnNamed == nil || len(paths) == 0 {
		return
	}
	cids := make([]cid.Cid, 0, len(paths))
	for _, path := range paths {
		for _, st := range snap.versionsOf(path) {
			if st.err == nil {
				cids = append(cids, st.entry.CID)
			}
		}
	}
	m.cfg.OnNamed(cids)
}
