package room

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// descriptorsLeft refuses when fewer than keep file descriptors are free. The system gives
// out the lowest free number, so the number that it gives now shows at least how many are
// free, at the price of opening a directory.
func descriptorsLeft(dir string, keep int64) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("look at the limit of file descriptors: %w", err)
	}
	keep = min(keep, int64(min(limit.Cur, 1<<30))/4) // a small limit is not all reserve
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return &Short{Of: Descriptors, Kept: keep}
	case err != nil:
		return fmt.Errorf("look at the disk: %w", err)
	}
	if err := unix.Close(fd); err != nil {
		return fmt.Errorf("look at the disk: %w", err)
	}
	if free := int64(min(limit.Cur, 1<<30)) - int64(fd); free < keep {
		return &Short{Of: Descriptors, Free: free, Kept: keep}
	}
	return nil
}
