package compare

import (
	"errors"
	"fmt"
)

// Limits bound what a Reader takes from all its layers, or from each.
type Limits struct {
	Files   int   // of all layers, of any kind
	Path    int   // bytes of a path
	Always  int64 // bytes to which any layer may expand
	Ratio   int64 // how many times its size a larger layer may expand to
	Content int64 // bytes to which a layer may expand at most
}

// Usual are limits that no image meets which somebody built to run it.
func Usual() Limits {
	return Limits{Files: 2_000_000, Path: 64 << 10, Always: 4 << 30, Ratio: 100, Content: 1 << 40}
}

// ErrLimit reports a layer that holds more than a Reader takes.
var ErrLimit = errors.New("it is not read any further")

// expanded is how many bytes a layer of that size may have without its compression.
func (l Limits) expanded(size int64) int64 {
	if size > l.Content/l.Ratio {
		return l.Content
	}
	return max(l.Always, size*l.Ratio)
}

func tooLarge(most int64) error {
	return fmt.Errorf("it expands to more than %d bytes: %w", most, ErrLimit)
}
