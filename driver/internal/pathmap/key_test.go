package pathmap_test

import (
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// FuzzKey: a key that is taken is the one that its version would be written to.
func FuzzKey(f *testing.F) {
	for _, key := range []string{
		"/f/docker/a:000000000000000a-w", "/s/hash:0000000000000001-w", "/later/x", "/f/a/b:ffffffffffffffff-12D3KooW-x",
	} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		path, counter, writer, ours, err := pathmap.ParseKey(key)
		if err != nil || !ours {
			return
		}
		if again := pathmap.KeyOf(path, counter, writer); again != key {
			t.Errorf("%q is read as %s, %d, %s, which is written as %q", key, path, counter, writer, again)
		}
		if strings.HasSuffix(path, "/") {
			t.Errorf("%q names a directory", key)
		}
	})
}
