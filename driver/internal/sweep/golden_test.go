package sweep

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/golden"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
)

var update = flag.Bool("update", false, "write the golden bytes anew")

// TestGoldenFiles: what is kept between two runs.
func TestGoldenFiles(t *testing.T) {
	dir, ended := t.TempDir(), time.Unix(1700000000, 5).UTC()
	l := lap{Began: ended.Add(time.Hour), After: "bafkreia", Blob: "bafkreib", Leaf: 3, Read: true, Ended: &ended}
	mark := lease.NewMark(5, 2, maps.All(map[string][]string{"/docker/a": {"1-12D3", "2-12D3"}}))
	m := marks{Marks: []*lease.Mark{mark}, Strangers: map[string]lease.Moment{"12D3": 4}}
	file := func(name string) string { return filepath.Join(dir, name) }
	if err := l.write(file("lap")); err != nil {
		t.Fatal(err)
	}
	if err := writeMarks(file("marks"), m); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, name := range []string{"lap", "marks"} {
		b, err := os.ReadFile(file(name))
		if err != nil {
			t.Fatal(err)
		}
		got[name] = string(b)
	}
	stored := golden.Held(t, *update, "files.json", got)
	for name, text := range stored {
		if err := os.WriteFile(file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l.Format, m.Format = lapFormat, marksFormat
	if was, err := readLap(file("lap"), l.Began); err != nil || !reflect.DeepEqual(was, l) {
		t.Errorf("%+v %v", was, err)
	}
	if was, err := readMarks(file("marks"), 10); err != nil || !reflect.DeepEqual(was, m) {
		t.Errorf("%+v %v", was, err)
	}
}
