package driver_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sirupsen/logrus/hooks/test"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestKeysThatEverybodyCanRead are used, and warned of at each start; those that only a group can
// read, or that lie in a directory of their owner, are not.
func TestKeysThatEverybodyCanRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.ProtectorKey = ""
	p.ProtectorKeyFile, p.PrivateKeyFile = filepath.Join(dir, "swarm.key"), filepath.Join(dir, "peer.key")
	p.LogLevel = "warn"
	var hook test.Hook
	m := drivertest.Start(t, p, drivertest.OpenedBy(driver.Logged(&hook))) // which makes both
	for _, c := range []struct{ dir, swarm, peer, warnings int }{
		{0o755, 0o600, 0o640, 0}, {0o755, 0o644, 0o600, 1}, {0o755, 0o602, 0o604, 2}, {0o700, 0o644, 0o644, 0},
	} {
		m.Stop()
		hook.Reset()
		for file, mode := range map[string]int{dir: c.dir, p.ProtectorKeyFile: c.swarm, p.PrivateKeyFile: c.peer} {
			must(t, os.Chmod(file, os.FileMode(mode)))
		}
		m.Restart()
		if n := timesLogged(&hook, "every user of this machine"); n != c.warnings {
			t.Errorf("%o: %d warnings", c, n)
		}
	}
}
