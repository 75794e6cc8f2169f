package uploads

import (
	"net/http"
	"net/url"
	"testing"
)

// TestNamesWhileTheSecretChanges: registries that have one of the two secrets, or both, read each other's
// owners; those that have none of an owner's do not.
func TestNamesWhileTheSecretChanges(t *testing.T) {
	old, next, other := []byte("old"), []byte("next"), []byte("other")
	for name, c := range map[string]struct {
		signs, reads [][]byte
		ok           bool
	}{
		"before":                 {[][]byte{old}, [][]byte{old}, true},
		"the first has both":     {[][]byte{old, next}, [][]byte{old}, true},
		"it reads an old one":    {[][]byte{old}, [][]byte{old, next}, true},
		"all have both":          {[][]byte{old, next}, [][]byte{old, next}, true},
		"the first has the next": {[][]byte{next}, [][]byte{old, next}, true},
		"it reads one of both":   {[][]byte{old, next}, [][]byte{next}, true},
		"another swarm":          {[][]byte{other}, [][]byte{old, next}, false},
		"after":                  {[][]byte{old}, [][]byte{next}, false},
	} {
		h := http.Header{"Location": {"http://a/v2/x/blobs/uploads/1?_state=y"}}
		names{self: "A", secrets: c.signs}.locate(h, "x")
		u, err := url.Parse(h.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := (names{self: "B", secrets: c.reads}).owner(u.Query(), "x", "1"); ok != c.ok || ok && id != "A" {
			t.Errorf("%s: %q %v of %s", name, id, ok, u)
		}
	}
}
