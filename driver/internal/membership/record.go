// Package membership is what the path map's list of members says of each: how it is written, and when a member
// writes it anew. It knows no map and no network.
//
// A member writes its own record, and nobody else does: when it has been a member for a while, when it has
// another name or understands something else, and once a day, by which all see that it is alive. Whoever
// forgets it writes that over its record. One that comes back, and sees that, writes its own again. Who is
// revoked has a record of another family beside it, which is final.
package membership

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

const (
	// Family is how the names of the records begin among the settings of the map; a peer ID follows.
	Family = "member"

	// MaxRecord is the longest record that is read, in bytes.
	MaxRecord = 8 << 10

	// RenewEvery is how often a member that is alive writes its record: each time takes a change of the map.
	RenewEvery = 24 * time.Hour

	// EnrollAfter is how long a registry is one of the swarm before it writes its first one: what is tried
	// for a moment is not waited for by everybody for a month.
	EnrollAfter = time.Minute
)

// Record is one member's. Times are in whole seconds, by the clock of who wrote it.
type Record struct {
	Name         string    // as the member says
	First        time.Time // when it wrote its first record since it was last forgotten
	Heard        time.Time // when it wrote this one
	Capabilities []string  // what it understands

	// Forgotten is when somebody forgot the member; zero: it is in. Written is what had been merged then
	// of what the member wrote: the greatest counter of its versions.
	Forgotten time.Time
	Written   uint64
}

// wire is Record as it is written. A field that a later release adds is not read here, and is gone when
// the member writes its record anew.
type wire struct {
	Name         string   `json:"name,omitempty"`
	First        int64    `json:"first,omitempty"` // Unix seconds, as all times
	Heard        int64    `json:"heard,omitempty"`
	Capabilities []string `json:"caps,omitempty"`
	Forgotten    int64    `json:"forgotten,omitempty"`
	Written      uint64   `json:"written,omitempty"`
}

// Text is the record as the map has it.
func (r Record) Text() string {
	// Of text and numbers there is always JSON.
	b, _ := json.Marshal(wire{r.Name, unix(r.First), unix(r.Heard), r.Capabilities, unix(r.Forgotten), r.Written})
	return string(b)
}

// Read is the inverse. Who reads names and capabilities still has to judge them.
func Read(text string) (Record, error) {
	w, err := decode[wire](text)
	if err != nil {
		return Record{}, fmt.Errorf("read a member's record: %w", err)
	}
	return Record{w.Name, at(w.First), at(w.Heard), w.Capabilities, at(w.Forgotten), w.Written}, nil
}

func decode[T any](text string) (t T, err error) {
	if len(text) > MaxRecord {
		return t, fmt.Errorf("%d bytes, at most %d", len(text), MaxRecord)
	}
	err = json.Unmarshal([]byte(text), &t)
	return t, err
}

// In reports whether the member is one; not if somebody forgot it.
func (r Record) In() bool { return r.Forgotten.IsZero() && !r.Heard.IsZero() }

// Renewed is the record that a member writes of itself now, in place of what the map has; false: what the
// map has will do. every is RenewEvery, but for tests.
func Renewed(has Record, name string, capabilities []string, now time.Time, every time.Duration) (Record, bool) {
	if !has.In() {
		return Record{Name: name, First: now, Heard: now, Capabilities: capabilities}, true
	}
	age := now.Sub(has.Heard).Abs() // a clock may be set back
	if has.Name == name && slices.Equal(has.Capabilities, capabilities) && age < every {
		return has, false
	}
	return Record{Name: name, First: has.First, Heard: now, Capabilities: capabilities}, true
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func at(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
