package gather

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestWhatIsAnotherUsersIsNotKnown, and is neither fine nor a fault: the command may have been run as
// the wrong user.
func TestWhatIsAnotherUsersIsNotKnown(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root has files that are another user's")
	}
	root := t.TempDir()
	p := driver.DefaultParameters()
	p.DatastorePath, p.ProtectorKeyFile = filepath.Join(root, "data"), filepath.Join(root, "swarm.key")
	cert, key := pair(t, "registry.example.com")
	config := parse(t, "http: {}")
	config.HTTP.TLS.Certificate, config.HTTP.TLS.Key = cert, key
	for _, dir := range []string{filepath.Dir(root), root, filepath.Dir(filepath.Dir(cert)), filepath.Dir(cert)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(p.DatastorePath, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.ProtectorKeyFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	look := func(want string) {
		asNobody(t, func() {
			m, c := Machine(t.Context(), config, p, true), Config(config, p)
			for what, of := range map[string][2]string{
				"data": {m.Data.Unknown, m.Data.Trouble}, "key": {m.Keys[0].Unknown, m.Keys[0].Trouble}, "tls": {c.TLS.Unknown, c.TLS.Trouble},
			} {
				if !strings.Contains(of[0], want) || of[1] != "" {
					t.Errorf("%s: unknown %q, and trouble %q", what, of[0], of[1])
				}
			}
		})
	}
	look("belongs to another user")
	if err := os.Chmod(root, 0o700); err != nil {
		t.Fatal(err)
	}
	look("this user may not look at")
}

// asNobody does something as the user nobody, on a thread of its own that ends with it.
func asNobody(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: nothing else runs as that user
		const nobody = 65534
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			t.Error(errno)
			return
		}
		do()
	}()
	<-done
}
