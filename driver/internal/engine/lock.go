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
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/datastore/legacy"
)

// ErrInUse reports that another process has opened a datastore. A registry has done so for a
// moment before it can be asked anything.
var ErrInUse = errors.New("in use by another process: stop it, or give this registry a path of its own")

// inUseWait is how long a registry waits for a datastore that another process has opened: a
// command that reads the datastore of a stopped registry is soon done, and so is a registry
// that was told to stop.
const inUseWait = 5 * time.Second

// openDatastore opens the datastore below a path, or fails with ErrInUse. It converts the one of
// an earlier release.
func openDatastore(ctx context.Context, path string, wait time.Duration, log *logrus.Entry) (*datastore.Datastore, error) {
	for end := time.Now().Add(wait); ; {
		if !InUse(path) {
			db, err := openBelow(ctx, path, log)
			if err == nil {
				return db, nil
			}
			if !InUse(path) {
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

func openBelow(ctx context.Context, path string, log *logrus.Entry) (*datastore.Datastore, error) {
	old, dir := filepath.Join(path, badgerDir), filepath.Join(path, pebbleDir)
	if err := legacy.Convert(ctx, old, dir, refusal(), log); err != nil {
		return nil, err
	}
	db, err := datastore.Open(dir, log)
	if err != nil {
		return nil, err
	}
	if err := legacy.Refuse(old, refusal()); err != nil {
		log.WithError(err).Warn("an earlier release that is started here would not refuse to run: see that this user can write there, and that there is room")
	}
	return db, nil
}

// InUse reports whether another process has opened the datastore below a path, or the one of an
// earlier release.
func InUse(path string) bool {
	return lockedByOther(filepath.Join(path, pebbleDir)) || lockedByOther(filepath.Join(path, badgerDir))
}

// ranThere fails with os.ErrNotExist when there is no datastore below a path.
func ranThere(path string) error {
	_, err := os.Stat(filepath.Join(path, badgerDir)) // a new release makes it, too
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(filepath.Join(path, pebbleDir))
	}
	return err
}

// ErrKeepsData reports a directory in which a registry keeps its data: what else is written there takes files of that for
// its own, and what removes them removes the registry's.
var ErrKeepsData = errors.New("a registry keeps its data there: name another directory")

// CheckElsewhere fails with ErrKeepsData for a directory that is, or would be, this registry's datastorepath or below it, and for
// another's datastorepath.
func (e *Engine) CheckElsewhere(dir string) error {
	at := resolved(dir)
	keeps := ranThere(at) == nil
	if _, err := os.Stat(filepath.Join(at, restoringDir, restoringOf)); err == nil {
		keeps = true
	}
	own, err := os.Stat(e.cfg.Path)
	if err != nil {
		return err
	}
	for last := ""; !keeps && at != last; last, at = at, filepath.Dir(at) {
		info, err := os.Stat(at)
		keeps = err == nil && os.SameFile(info, own)
	}
	if keeps {
		return fmt.Errorf("%s: %w", dir, ErrKeepsData)
	}
	return nil
}

// resolved is a path without symbolic links, as far as it is there.
func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if up := filepath.Dir(path); up != path {
		return filepath.Join(resolved(up), filepath.Base(path))
	}
	return path
}

// ErrOtherUser reports that a datastore belongs to another user, who could no longer open
// what this one writes there.
var ErrOtherUser = fmt.Errorf("belongs to another user: %w", fs.ErrPermission)

// sameOwner fails with ErrOtherUser if the datastore below a path, or the path while there is none,
// belongs to another user, where only root could write.
func sameOwner(path string) error {
	var st unix.Stat_t
	err := unix.Stat(filepath.Join(path, pebbleDir), &st)
	for _, at := range []string{filepath.Join(path, badgerDir), path} {
		if errors.Is(err, fs.ErrNotExist) {
			err = unix.Stat(at, &st)
		}
	}
	if err != nil {
		return err
	}
	if int(st.Uid) != os.Geteuid() {
		return ErrOtherUser
	}
	return nil
}

// lockedByOther reports whether another process holds the datastore's lock on a directory.
func lockedByOther(dir string) bool {
	f, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	return errors.Is(err, unix.EWOULDBLOCK)
}
