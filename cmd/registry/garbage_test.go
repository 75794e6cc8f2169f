package main_test

import (
	"regexp"
	"testing"
)

var gogc = regexp.MustCompile(`(?m)^go_gc_gogc_percent (\d+)`)

// TestGarbageIsCollectedEarly unless the environment says when.
func TestGarbageIsCollectedEarly(t *testing.T) {
	unset(t, "GOGC")
	for _, c := range []struct{ env, want string }{{"", "33"}, {"GOGC=60", "60"}} {
		p, debug := exampleProcess(t)
		if c.env != "" {
			p.Env = append(p.Env, c.env)
		}
		p.start()
		if m := gogc.FindStringSubmatch(metricsPage(t, debug)); m == nil || m[1] != c.want {
			t.Errorf("%q: %q, not %s", c.env, m, c.want)
		}
	}
}
