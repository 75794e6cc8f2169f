//go:build !linux

package filesystem

import (
	"errors"
	"os"
)

// Clone is not to be had.
func Clone(_, _ *os.File) error { return errors.ErrUnsupported }

// Link is not to be had.
func Link(_ *os.File, _ string) error { return errors.ErrUnsupported }

// SyncAll leaves it to the system when names are safe on disk: sync files one by one.
func SyncAll(*os.File) error { return nil }
