//go:build !linux

package sweep

// lowestPriority does nothing: there are I/O priorities on Linux only.
func lowestPriority() {}
