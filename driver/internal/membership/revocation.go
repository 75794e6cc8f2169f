package membership

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// RevokedFamily is how the names of the revocations begin among the settings of the map; the peer ID of
// who is shut out follows. That one is there is what counts: what it says is for people.
const RevokedFamily = "revoked"

// Revocation says since when a registry is shut out. It is never taken back.
type Revocation struct {
	At   time.Time // in whole seconds, by the clock of the registry that was asked to
	Name string    // what the member was called
}

type wireRevocation struct {
	At   int64  `json:"at"` // Unix seconds
	Name string `json:"name,omitempty"`
}

// Text is the revocation as the map has it.
func (r Revocation) Text() string {
	b, _ := json.Marshal(wireRevocation{unix(r.At), r.Name}) // of text and numbers there is always JSON
	return string(b)
}

// ReadRevocation is the inverse. Who reads the name still has to judge it.
func ReadRevocation(text string) (Revocation, error) {
	w, err := decode[wireRevocation](text)
	if err != nil {
		return Revocation{}, fmt.Errorf("read a revocation: %w", err)
	}
	return Revocation{at(w.At), w.Name}, nil
}

// Written is a revocation as the map has it: of whom, by whom, and when in the order of versions.
type Written struct {
	Revocation
	ID, By  string // peer IDs
	Counter uint64
}

// Effective are the revocations that count, the first of each registry: not what a registry wrote after it was
// revoked itself. The order of versions is the same on all registries, so that all mean the same, in whatever
// order they hear of them.
func Effective(all []Written) (counting []Written) {
	slices.SortFunc(all, func(a, b Written) int {
		return cmp.Or(cmp.Compare(a.Counter, b.Counter), cmp.Compare(a.By, b.By), cmp.Compare(a.ID, b.ID))
	})
	out := map[string]bool{}
	for _, w := range all {
		if !out[w.By] && !out[w.ID] {
			out[w.ID] = true
			counting = append(counting, w)
		}
	}
	return counting
}
