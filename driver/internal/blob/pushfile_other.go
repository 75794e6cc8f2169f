//go:build !linux

package blob

import (
	"errors"
	"os"
)

func cloneFile(_, _ *os.File) error { return errors.ErrUnsupported }

func linkFile(_ *os.File, _ string) error { return errors.ErrUnsupported }
