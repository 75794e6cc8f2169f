// Package filesystem has what filesystems can do beyond what package os knows. Where the system
// cannot do it, the error is errors.ErrUnsupported, or one of the system's.
package filesystem
