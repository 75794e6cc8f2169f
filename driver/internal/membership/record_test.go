package membership_test

import (
	"flag"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/golden"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/membership"
)

var update = flag.Bool("update", false, "write the golden bytes anew")

func day(n int) time.Time { return time.Date(2026, 11, n, 12, 0, 0, 0, time.UTC) }

// TestGoldenRecords holds what all releases write and read of members.
func TestGoldenRecords(t *testing.T) {
	records := map[string]membership.Record{
		"in":        {Name: "attic", First: day(1), Heard: day(3), Capabilities: []string{"replicas", "compaction"}},
		"nameless":  {First: day(1), Heard: day(1)},
		"forgotten": {Forgotten: day(9), Written: 1 << 40},
	}
	got := map[string]string{}
	for name, r := range records {
		got[name] = r.Text()
	}
	for name, text := range golden.Held(t, *update, "records.json", got) {
		if r, err := membership.Read(text); err != nil || !reflect.DeepEqual(r, records[name]) || r.In() != (name != "forgotten") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func TestRecordsThatAreNone(t *testing.T) {
	for _, text := range []string{"", "{", "7", `{"name":7}`, `{"name":"` + strings.Repeat("x", membership.MaxRecord) + `"}`} {
		if r, err := membership.Read(text); err == nil || r.In() {
			t.Errorf("%.40q was read", text)
		}
	}
	for _, text := range []string{"{}", "null", `{"later":[1]}`} {
		if r, err := membership.Read(text); err != nil || r.In() {
			t.Errorf("%q: %+v, %v", text, r, err)
		}
	}
}

// TestWhenAMemberWrites its record anew: when there is none, or it was forgotten, when it says something
// new, and once a day.
func TestWhenAMemberWrites(t *testing.T) {
	caps := []string{"x"}
	in := membership.Record{Name: "attic", First: day(1), Heard: day(3), Capabilities: caps}
	for name, c := range map[string]struct {
		has   membership.Record
		named string
		caps  []string
		now   time.Time
		first time.Time // zero: nothing is written
	}{
		"nothing is there":      {membership.Record{}, "attic", caps, day(3), day(3)},
		"forgotten":             {membership.Record{Forgotten: day(2), Written: 3}, "attic", caps, day(3), day(3)},
		"the same":              {in, "attic", caps, day(3).Add(time.Hour), time.Time{}},
		"another name":          {in, "cellar", caps, day(3), day(1)},
		"it understands more":   {in, "attic", []string{"x", "y"}, day(3), day(1)},
		"a day later":           {in, "attic", caps, day(4), day(1)},
		"the clock is set back": {in, "attic", caps, day(2), day(1)},
	} {
		r, write := membership.Renewed(c.has, c.named, c.caps, c.now, membership.RenewEvery)
		if write != !c.first.IsZero() {
			t.Errorf("%s: written: %v", name, write)
		} else if want := (membership.Record{Name: c.named, First: c.first, Heard: c.now, Capabilities: c.caps}); write && !reflect.DeepEqual(r, want) {
			t.Errorf("%s: %+v, not %+v", name, r, want)
		}
	}
}
