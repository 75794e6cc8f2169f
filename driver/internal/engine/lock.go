package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/datastore"
)

// ErrInUse reports that another process has opened a datastore. A registry has done so for a
// moment before it can be asked anything.
var ErrInUse = errors.New("in use by another process: stop it, or give this registry a path of its own")

// inUseWait is how long a registry waits for a datastore that another process has opened: a
// command that reads the datastore of a stopped registry is soon done, and so is a registry
// that was told to stop.
const inUseWait = 5 * time.Second

// openDatastore opens the datastore in a directory that exists, or fails with ErrInUse.
func openDatastore(ctx context.Context, dir string, wait time.Duration, log *logrus.Entry) (*datastore.Datastore, error) {
	for end := time.Now().Add(wait); ; {
		if !lockedByOther(dir) {
			db, err := datastore.Open(dir, log)
			if err == nil {
				return db, nil
			}
			if !lockedByOther(dir) {
				return nil, fmt.Errorf("%w; see that this user can read and write all of it, and that there is room, or restore a backup", err)
			}
		}
		if time.Now().After(end) {
			return nil, ErrInUse
		}
		select {
		case <-time.After(wait / 50):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// InUse reports whether another process has opened the datastore below a path.
func InUse(path string) bool { return lockedByOther(filepath.Join(path, badgerDir)) }

// ErrOtherUser reports that a datastore belongs to another user, who could no longer open
// what this one writes there.
var ErrOtherUser = fmt.Errorf("belongs to another user: %w", fs.ErrPermission)

// sameOwner fails with ErrOtherUser if a directory belongs to another user, where only root
// could write.
func sameOwner(dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return err
	}
	if int(st.Uid) != os.Geteuid() {
		return ErrOtherUser
	}
	return nil
}

// lockedByOther reports whether another process holds badger's lock on a directory.
// badger's own error says so only in its text.
func lockedByOther(dir string) bool {
	f, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	return errors.Is(err, unix.EWOULDBLOCK)
}
