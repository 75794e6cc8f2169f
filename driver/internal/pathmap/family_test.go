package pathmap_test

import (
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

func setText(t *testing.T, s *seat, name, value string) {
	t.Helper()
	op, err := pathmap.SetText("color", name, value)
	if err == nil {
		err = s.m.Write(t.Context(), op)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// textsOf is a family as one registry sees it, without the versions.
func textsOf(s *seat) string {
	var all []string
	for text := range s.m.View().Family("color") {
		all = append(all, text.Name+"="+text.Value+" by "+text.Writer)
	}
	return strings.Join(all, ", ")
}

// TestAFamilyOfSettings: each has the value that was written last, on all registries, and on such as take
// the state of a map whose history is compacted.
func TestAFamilyOfSettings(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	settle(t, a, "color", "none of it")
	settle(t, a, "colors", "nor this")
	setText(t, a, "sky", "blue")
	setText(t, a, "leaf", "green")
	agree(t, a, b)
	var version string
	for text := range b.m.View().Family("color") {
		version = text.Version
		break
	}
	setText(t, b, "leaf", "red")
	agree(t, a, b)
	for text := range a.m.View().Family("color") {
		if text.Version == version {
			t.Error("a new value has the version of the old one")
		}
		break
	}
	f.isolate("b", true)
	setText(t, a, "sky", "grey")
	setText(t, a, "sky", "dark")
	setText(t, b, "sky", "bright")
	f.isolate("b", false)
	agree(t, a, b)
	want := "leaf=red by b, sky=dark by a"
	for _, s := range []*seat{a, b} {
		if got := textsOf(s); got != want {
			t.Errorf("%s has %s", s.id, got)
		}
	}
	overwrite(t, a, 10, 30)
	agree(t, a, b)
	if compact(t, a, b) == 0 || compact(t, b, a) == 0 {
		t.Error("nothing was compacted")
	}
	restartKeepsTheMap(t, a)
	c := f.add("c")
	agree(t, a, b, c)
	for _, s := range []*seat{a, c} {
		if got := textsOf(s); got != want {
			t.Errorf("compacted, %s has %s", s.id, got)
		}
	}
}

func TestATextThatIsTooLong(t *testing.T) {
	if _, err := pathmap.SetText("color", "sky", strings.Repeat("x", 9<<10)); err == nil {
		t.Error("it was taken")
	}
}
