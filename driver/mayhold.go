package driver

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ipfs/go-cid"
)

// maxAway is how many members that are away an answer names.
const maxAway = 5

// absent are members that are away and may hold a blob.
type absent struct {
	ids     []string
	keepers bool // they are to keep it
}

// mayHold finds the keepers of a blob that are away, and where there are none, all trusted members
// that are: one that has been away for long is no keeper any more. The one to which it was pushed is
// left out.
func (s *store) mayHold(c cid.Cid, pushedTo string) (a absent) {
	keepers := s.engine.Copies.Keepers(nil, c)
	var others []string
	for _, m := range s.engine.Members() {
		id := m.ID.String()
		switch {
		case m.Connected || !m.Trusted || !m.Confirmed || id == pushedTo:
		case slices.Contains(keepers, m.ID):
			a.ids, a.keepers = append(a.ids, id), true
		default:
			others = append(others, id)
		}
	}
	if !a.keepers {
		a.ids = others
	}
	return a
}

// text names them; "" where there are none.
func (a absent) text(called func(id string) string) string {
	if len(a.ids) == 0 {
		return ""
	}
	var names []string
	for _, id := range a.ids[:min(len(a.ids), maxAway)] {
		names = append(names, called(id))
	}
	if more := len(a.ids) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	what := "members that may have it"
	if a.keepers {
		what = "registries that are to keep it"
	}
	return fmt.Sprintf("; %s are away: %s", what, strings.Join(names, ", "))
}
