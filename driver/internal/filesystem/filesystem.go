// Package filesystem has what filesystems can do beyond what package os knows. Where the system
// cannot do it, the error is errors.ErrUnsupported, or one of the system's.
package filesystem

import "errors"

// ErrLocked reports a file or a directory that is another's for now.
var ErrLocked = errors.New("another process has locked it")
