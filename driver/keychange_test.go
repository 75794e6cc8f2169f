package driver

import (
	"strings"
	"testing"
)

// TestWhatIsNextInAChangeOfTheKey for swarms at each point of one.
func TestWhatIsNextInAChangeOfTheKey(t *testing.T) {
	for name, c := range map[string]struct{ has, keys, stage, next string }{
		"before":                    {"o o o", "one one one", "none", "to change it"},
		"the first":                 {"on o o", "both old old", "first round", "set protectorkeynext on B, C"},
		"seen by another":           {"o on o", "old both old", "first round", "set protectorkeynext on A, C"},
		"an earlier release":        {"on - on", "both unknown both", "first round", "update, or look for yourself which keys they have: B"},
		"all have both":             {"on on on", "both both both", "second round", "on A, B, C"},
		"the second round":          {"on n on", "both new both", "second round", "take protectorkeynext out, on A, C"},
		"seen by one that is ready": {"n on n", "new both new", "second round", "out, on B"},
		"not all of it is known":    {"n on n -", "new both new unknown", "second round", "on B; look for yourself which keys they have: D"},
		"too early":                 {"on n o", "both new old", "apart", "as protectorkey, on B; and on C"},
		"turned":                    {"on no on", "both both, turned both", "second round", "on A, B, C"},
		"one wrong key":             {"o ox on on", "old other both both", "first round", "set protectorkeynext on A; correct the keys of B"},
		"away in the first round":   {"on on o-", "both both old", "second round", "on A, B; before it is started, give the keys that the others have by then to C (away)"},
		"away in the second round":  {"n on o-", "new both old", "second round", "on B; before it is started, give the keys that the others have by then to C (away)"},
		"away with both":            {"n n on-", "new new both", "second round", "on C (away)"},
		"away after it":             {"n n o-", "one one other", "none", "any before it may go; to change it, set protectorkeynext on all, one after the other; before it is started"},
		"another key":               {"n n x", "one one other", "none", "set the key of this registry on C"},
		"after":                     {"n n n", "one one one", "none", "any before it may go"},
	} {
		var all []KeyHolder
		for i, has := range strings.Fields(c.has) {
			h := KeyHolder{Name: string(rune('A' + i)), State: "connected"}
			if has != "-" {
				var away bool
				if has, away = strings.CutSuffix(has, "-"); away {
					h.State = "away"
				}
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
