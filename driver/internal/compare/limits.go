package compare

import (
	"errors"
	"fmt"
)

// Limits bound what a Reader takes from all its layers, or from each.
type Limits struct {
	Files   int   // of all layers, of any kind
	Path    int   // bytes of a path
	Spare   int64 // bytes to which all layers together may expand beyond Ratio
	Ratio   int64 // how many times its size each layer may expand to
	Content int64 // bytes to which a layer may expand at most
}

// Usual are limits that no image meets which somebody built to run it.
func Usual() Limits {
	return Limits{Files: 2_000_000, Path: 64 << 10, Spare: 4 << 30, Ratio: 100, Content: 1 << 40}
}

// ErrLimit reports a layer that holds more than a Reader takes.
var ErrLimit = errors.New("it is not read any further")

// expanded is how many bytes a layer of that size may have without its compression, whatever the
// others have.
func (l Limits) expanded(size int64) int64 {
	if size > l.Content/l.Ratio {
		return l.Content
	}
	return size * l.Ratio
}

func tooLarge(most int64) error {
	return fmt.Errorf("it expands to more than %d bytes: %w", most, ErrLimit)
}
