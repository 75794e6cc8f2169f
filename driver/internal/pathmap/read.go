package pathmap

import (
	"errors"
	"slices"
	"strings"
)

// ErrNotFound reports that the map has no entry at a path.
var ErrNotFound = errors.New("no such path in the map")

// View is the map at one moment. It is safe for concurrent use and never
// changes.
type View struct{ s *snapshot }

// View returns the map as it is now.
func (m *Map) View() View { return View{m.current.Load()} }

// Cut returns the map as it is now, with a counter that none of its versions exceeds.
func (m *Map) Cut() (View, uint64) {
	view := m.View() // first: the counter is stored before the view that it goes with
	return view, m.merged.Load()
}

// Get returns the winning entry of a path, ErrNotFound, or ErrNewerEntry.
func (v View) Get(path string) (Entry, error) {
	key := sortKey(path)
	p, ok := v.s.paths.Get(key)
	if !ok {
		return Entry{}, ErrNotFound
	}
	w := v.s.winner(key, p)
	return w.entry, w.err
}

// Writer is the peer ID of the registry that wrote what Get returns; empty when there
// is nothing.
func (v View) Writer(path string) string {
	id, _ := v.Newest(path)
	return id
}

// Newest is the peer ID of the registry that wrote what Get returns, and the counter of that
// version; empty when there is nothing.
func (v View) Newest(path string) (writer string, counter uint64) {
	key := sortKey(path)
	p, ok := v.s.paths.Get(key)
	if !ok {
		return "", 0
	}
	w := v.s.winner(key, p)
	return peerOf(w.writer), w.counter
}

func (v View) has(path string, of version) bool {
	return slices.ContainsFunc(v.s.versionsOf(path), func(st stored) bool { return st.version == of })
}

// Versions counts the live versions of a path. More than one means that registries wrote it
// at the same time, and that it has not been written since.
func (v View) Versions(path string) int { return len(v.s.versionsOf(path)) }

// VersionsOf names the live versions of a path, in no order: nothing else ever has the name
// of one, and it stays the same over restarts and on all registries.
func (v View) VersionsOf(path string) (names []string) {
	for _, st := range v.s.versionsOf(path) {
		names = append(names, st.name())
	}
	return names
}

// IsDir reports whether something lies below a path.
func (v View) IsDir(path string) bool {
	found := false
	prefix := sortKey(strings.TrimSuffix(path, "/")) + "\x00"
	v.s.paths.Ascend(prefix, func(key string, _ packed) bool {
		found = strings.HasPrefix(key, prefix)
		return false
	})
	return found
}

// Child is one direct child of a directory.
type Child struct {
	Path  string
	Entry Entry
	Err   error // ErrNewerEntry
	Dir   bool  // nothing is stored at Path itself
}

// Children calls f for the direct children of dir in order, those that come after the name
// `after` (empty: all), until f returns false. It seeks past everything below a child, so its cost
// grows only with what it reports.
func (v View) Children(dir, after string, f func(Child) bool) {
	prefix := sortKey(strings.TrimSuffix(dir, "/")) + "\x00"
	pivot := prefix
	if after != "" {
		pivot = past(prefix + after)
	}
	for {
		child, ok := v.firstChild(prefix, pivot)
		if !ok || !f(child) {
			return
		}
		pivot = past(sortKey(child.Path))
	}
}

func (v View) firstChild(prefix, pivot string) (child Child, ok bool) {
	v.s.paths.Ascend(pivot, func(key string, p packed) bool {
		rest, below := strings.CutPrefix(key, prefix)
		if !below {
			return false
		}
		ok = true
		name, _, deeper := strings.Cut(rest, "\x00")
		child = Child{Path: pathOf(prefix + name), Dir: deeper}
		if !deeper {
			w := v.s.winner(key, p)
			child.Entry, child.Err = w.entry, w.err
		}
		return false
	})
	return child, ok
}

// Next returns the first path that comes after a path and everything below that; with into,
// the first path below it.
func (v View) Next(after string, into bool) (path string, ok bool) {
	pivot := sortKey(strings.TrimSuffix(after, "/")) + "\x00"
	if !into {
		pivot = past(sortKey(after))
	}
	v.s.paths.Ascend(pivot, func(key string, _ packed) bool {
		path, ok = pathOf(key), true
		return false
	})
	return path, ok
}

// From returns the first path that is not before a text, by component: those that begin with it
// follow one after the other.
func (v View) From(text string) (path string, ok bool) {
	v.s.paths.Ascend(sortKey(text), func(key string, _ packed) bool {
		path, ok = pathOf(key), true
		return false
	})
	return path, ok
}

// Under calls f for every entry at or below a path, in order, until f returns
// false.
func (v View) Under(path string, f func(path string, e Entry) bool) {
	root := sortKey(strings.TrimSuffix(path, "/"))
	v.s.paths.Ascend(root, func(key string, p packed) bool {
		if key != root && !strings.HasPrefix(key, root+"\x00") {
			return false
		}
		return f(pathOf(key), v.s.winner(key, p).entry)
	})
}

// Each calls f for every path at or below a path, in order, until f returns false: with the
// entries of all its live versions, the greatest first. err is ErrNewerEntry when there is
// one that this release cannot read, which is then not among them. The slice is f's only
// until f returns.
func (v View) Each(path string, f func(path string, live []Entry, err error) bool) {
	var live []Entry
	root := sortKey(strings.TrimSuffix(path, "/"))
	v.s.paths.Ascend(root, func(key string, p packed) bool {
		if key != root && !strings.HasPrefix(key, root+"\x00") {
			return false
		}
		var err error
		live, err = v.s.entries(live[:0], key, p)
		return f(pathOf(key), live, err)
	})
}

// Len counts the paths.
func (v View) Len() int { return v.s.paths.Len() }

// Digest identifies the content of the map: two registries with the same digest
// hold the same versions of the same paths. It is an XOR of SHA-256 sums, made
// to find differences, not to withstand forgery.
func (v View) Digest() string { return v.s.hexDigest() }
