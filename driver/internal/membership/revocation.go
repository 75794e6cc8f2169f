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

	// Of what it wrote the versions stay whose counter is at most UpTo; unless it is Bounded, as one of an
	// earlier build is not, all of them.
	Bounded bool
	UpTo    uint64
}

type wireRevocation struct {
	At   int64   `json:"at"` // Unix seconds
	Name string  `json:"name,omitempty"`
	UpTo *uint64 `json:"upto,omitempty"`
}

// Text is the revocation as the map has it.
func (r Revocation) Text() string {
	w := wireRevocation{At: unix(r.At), Name: r.Name}
	if r.Bounded {
		w.UpTo = &r.UpTo
	}
	b, _ := json.Marshal(w) // of text and numbers there is always JSON
	return string(b)
}

// ReadRevocation is the inverse. Who reads the name still has to judge it.
func ReadRevocation(text string) (Revocation, error) {
	w, err := decode[wireRevocation](text)
	if err != nil {
		return Revocation{}, fmt.Errorf("read a revocation: %w", err)
	}
	r := Revocation{At: at(w.At), Name: w.Name, Bounded: w.UpTo != nil}
	if r.Bounded {
		r.UpTo = *w.UpTo
	}
	return r, nil
}

// Written is a revocation as the map has it: of whom, by whom, and when in the order of versions.
type Written struct {
	Revocation
	ID, By  string // peer IDs
	Counter uint64
}

// stays reports whether a version of the registry that is revoked stays.
func (r Revocation) stays(counter uint64) bool { return !r.Bounded || counter <= r.UpTo }

// Effective are the revocations that count, one of each registry: not what a registry wrote after it was
// revoked itself, nor what it wrote after the moment from which its versions do not stay. Of several of one
// registry the smallest moment counts. The order of versions is the same on all registries, so that all mean
// the same, in whatever order they hear of them.
func Effective(all []Written) []Written {
	all = slices.Clone(all)
	slices.SortFunc(all, Written.compare)
	for {
		counting, used := inOrder(all)
		of := map[string]Revocation{}
		for _, w := range counting {
			of[w.ID] = w.Revocation
		}
		late := map[int]bool{}
		for _, i := range used {
			by, out := of[all[i].By]
			late[i] = out && !by.stays(all[i].Counter)
		}
		left := all[:0]
		for i, w := range all {
			if !late[i] {
				left = append(left, w) // and what the others shut out may count again
			}
		}
		if len(left) == len(all) {
			return counting
		}
		all = left
	}
}

// compare orders revocations as their versions are, and those of an equal version, which only a copied datastore
// writes, by what they say.
func (w Written) compare(o Written) int {
	if order := cmp.Or(cmp.Compare(w.Counter, o.Counter), cmp.Compare(w.By, o.By), cmp.Compare(w.ID, o.ID)); order != 0 {
		return order
	}
	return cmp.Compare(w.Text(), o.Text())
}

// inOrder has revocations shut out whom they name, one after the other; used are the places of those that did.
func inOrder(all []Written) (counting []Written, used []int) {
	of := map[string]int{} // registry → its place in counting
	for i, w := range all {
		if _, out := of[w.By]; out {
			continue
		}
		used = append(used, i)
		if at, twice := of[w.ID]; twice {
			counting[at].narrow(w.Revocation)
			continue
		}
		of[w.ID] = len(counting)
		counting = append(counting, w)
	}
	return counting, used
}

// narrow takes the moment of another revocation of the same registry, if that is smaller.
func (r *Revocation) narrow(o Revocation) {
	if o.Bounded && r.stays(o.UpTo) {
		r.Bounded, r.UpTo = true, o.UpTo
	}
}

// Moments are, by peer ID, the greatest counters of the versions that stay of those who are revoked. Who is not
// in it has all of its versions stay.
func Moments(all []Written) map[string]uint64 {
	var of map[string]uint64
	for _, w := range Effective(all) {
		if !w.Bounded {
			continue
		}
		if of == nil {
			of = map[string]uint64{}
		}
		of[w.ID] = w.UpTo
	}
	return of
}
