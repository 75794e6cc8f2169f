package sweep

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
)

// FuzzState: what lies in garbage.json and scrub.json is refused, or usable: nothing in it is of
// the future.
func FuzzState(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	marked, _ := json.Marshal(marks{Format: marksFormat, Marks: []*lease.Mark{{At: 5}}, Strangers: map[string]lease.Moment{"x": 9}})
	f.Add(marked, true)
	read, _ := json.Marshal(lap{Format: lapFormat, Began: now, After: "x"})
	f.Add(read, true)
	f.Add([]byte(`{"format":1,"marks":[null]}`), true)
	f.Add([]byte(`{}`), false)
	file := filepath.Join(f.TempDir(), "state")
	f.Fuzz(func(t *testing.T, content []byte, summed bool) {
		text := append([]byte("\n"), content...)
		if summed {
			text = append([]byte(sumOf(content)), text...)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := readMarks(file, 7)
		if err == nil && (!summed || slices.ContainsFunc(m.Marks, func(m *lease.Mark) bool { return m == nil || m.At > 7 })) {
			t.Errorf("%+v", m)
		}
		l, err := readLap(file, now)
		if err == nil && !summed || l.Began.After(now) {
			t.Errorf("%+v: %v", l, err)
		}
	})
}
