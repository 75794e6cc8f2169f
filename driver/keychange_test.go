package driver

import (
	"strings"
	"testing"
)

// TestWhatIsNextInAChangeOfTheKey for swarms at each point of one.
func TestWhatIsNextInAChangeOfTheKey(t *testing.T) {
	for name, c := range map[string]struct{ has, keys, stage, next string }{
		"before":                    {"o o o", "one one one", "none", "to change the key"},
		"the first":                 {"on o o", "both old old", "first round", "set protectorkeynext on B, C"},
		"seen by another":           {"o on o", "old both old", "first round", "set protectorkeynext on A, C"},
		"an earlier release":        {"on - on", "both unknown both", "first round", "set protectorkeynext on B"},
		"all have both":             {"on on on", "both both both", "second round", "on A, B, C"},
		"the second round":          {"on n on", "both new both", "second round", "take protectorkeynext out, on A, C"},
		"seen by one that is ready": {"n on n", "new both new", "second round", "out, on B"},
		"too early":                 {"on n o", "both new old", "apart", "on B, C: some"},
		"turned":                    {"on no on", "both other both", "first round", "on B"},
		"after":                     {"n n n", "one one one", "none", "to change the key"},
	} {
		var all []KeyHolder
		for i, has := range strings.Fields(c.has) {
			h := KeyHolder{Name: string(rune('A' + i))}
			if has != "-" {
				h.fingerprints = strings.Split(has, "")
			}
			all = append(all, h)
		}
		got := keyChange(all)
		var keys []string
		for _, h := range got.Registries {
			keys = append(keys, h.Keys)
		}
		if got := strings.Join(keys, " "); got != c.keys {
			t.Errorf("%s: %s, not %s", name, got, c.keys)
		}
		if got.Stage != c.stage || !strings.Contains(got.Next, c.next) {
			t.Errorf("%s: %s: %s", name, got.Stage, got.Next)
		}
	}
}
