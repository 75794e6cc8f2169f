//go:build !linux

package blob

import "os"

// openQuietly opens a file to read it.
func openQuietly(file string) (*os.File, error) { return os.Open(file) }
