package pathmap_test

import (
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// TestBehindSince: a map knows since when it has lacked what a connected member named, until that
// is merged, whoever brings it, or the member is gone.
func TestBehindSince(t *testing.T) {
	f := newFabric(t)
	older, a := f.add("older"), f.add("a")
	isBehind := func() bool { _, ok := a.m.BehindSince(); return ok }
	put(t, older, "/before", "1")
	agree(t, older, a)
	eventually(t, "it lacks nothing", func() bool { return !isBehind() })

	began := time.Now()
	putRaw(t, older, pathmap.KeyOf("/far", 2*pathmap.MaxJump, "older"))
	eventually(t, "what it refuses it lacks", isBehind)
	first, _ := a.m.BehindSince()
	a.m.Joined("older")
	eventually(t, "it has looked again", func() bool { return len(a.m.Refused()) == 1 })
	if since, ok := a.m.BehindSince(); !ok || since.Before(began) || !since.Equal(first) {
		t.Errorf("behind since %s (%v), and before since %s", since, ok, first)
	}
	putRaw(t, older, pathmap.KeyOf("/step", pathmap.MaxJump, "older"))
	eventually(t, "it is merged after all", func() bool { return !isBehind() })

	older.stop()
	older.start()
	putRaw(t, older, pathmap.KeyOf("/farther", 9*pathmap.MaxJump, "older"))
	eventually(t, "it lacks something again", isBehind)
	older.stop()
	eventually(t, "nobody that is here has more", func() bool { return !isBehind() })
}
