package lease

import (
	"iter"
	"slices"
	"time"
)

// Mark is the first of the two marks of a collection. It is kept on disk, as JSON for
// example, so that a restart between the two does not begin anew.
type Mark struct {
	At      Moment              `json:"at"` // when the view was taken
	Counter uint64              `json:"counter"`
	Unused  map[string][]string `json:"unused"` // path → all versions that were alive
}

// NewMark marks what is unused in a view of the map that was taken at a moment: each path
// with all of its versions. counter is no less than that of any version in the view.
func NewMark(at Moment, counter uint64, unused iter.Seq2[string, []string]) *Mark {
	m := &Mark{At: at, Counter: counter, Unused: map[string][]string{}}
	for path, versions := range unused {
		m.Unused[path] = slices.Clone(versions)
	}
	return m
}

// Waits tells what the deleting of a mark's paths waits for: a moment that has not come, and
// the known members that are not heard. Only when neither is left may the second view be
// taken. until is not beyond now when nothing but members is waited for.
func (m *Mark) Waits(now Moment, grace time.Duration, known iter.Seq[string], heard map[string]Hearing) (until Moment, missing []string) {
	for id := range known {
		if h, ok := heard[id]; !ok || h.Asked <= m.At || h.Counter < m.Counter {
			missing = append(missing, id)
		}
	}
	slices.Sort(missing)
	return m.At.Add(grace), missing
}

// Expired gives of what is unused in a second view what may be deleted: by exactly the
// versions that it gives, which are those of the second view.
func (m *Mark) Expired(unused iter.Seq2[string, []string]) iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		for path, versions := range unused {
			marked := m.Unused[path]
			unseen := func(v string) bool { return !slices.Contains(marked, v) }
			if slices.ContainsFunc(versions, unseen) {
				continue // somebody relies on it, or did
			}
			if !yield(path, versions) {
				return
			}
		}
	}
}
