package driver_test

import (
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestHowManyDisksMayBeWanted: no more than go on keeping what was pushed.
func TestHowManyDisksMayBeWanted(t *testing.T) {
	for block, want := range map[string]string{
		"replicas: 3, ackreplicas: 3, acktimeout: 1s": "",
		"replicas: 0, ackreplicas: 3":                 "", // by whoever is there
		"replicas: all, ackreplicas: 3":               "",
		"replicas: 2, ackreplicas: 3":                 "ackreplicas: 3 is more than replicas: 2 keeps",
		"replicas: 1, ackreplicas: 2":                 "ackreplicas: 2 is more than replicas: 1 keeps",
		"ackreplicas: 0":                              "ackreplicas: 0 is less than 1, which is this registry's own disk",
		"ackreplicas: all":                            "ackreplicas: all is not a whole number",
		"ackreplicas: 2.5":                            "ackreplicas: 2.5 is not a whole number",
		"replicas: 0, ackreplicas: 2, offline: true":  "ackreplicas: is more than 1 with offline: true",
		"acktimeout: 10ms":                            "acktimeout: is less than 1s",
		"acktimeout: 30":                              "acktimeout: 30 is not a duration",
	} {
		_, err := driver.ParseParameters(parse(t, `{protectorkey: "`+someKey+`", `+block+"}"))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", block, err)
		}
	}
}
