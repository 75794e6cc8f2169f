package replica

import "testing"

// TestShortageIsSaidOnce: that a small blob finds room does not mean that there is room again.
func TestShortageIsSaidOnce(t *testing.T) {
	var s shortage
	if !s.of("/a", 10) {
		t.Error("it is not said")
	}
	s.met("/small")
	if s.of("/b", 20) || s.of("/a", 10) {
		t.Error("it is said again")
	}
	if got := s.amount(); got != (Amount{2, 30}) {
		t.Errorf("%+v", got)
	}
	s.met("/a")
	s.keep(func(path string) bool { return path != "/b" })
	if got := s.amount(); got != (Amount{}) || !s.of("/a", 10) {
		t.Errorf("there was room, and then none: %+v", got)
	}
	for range 2 * shortest {
		s.of(string(rune(len(s.sizes)+0x4e00)), 1)
	}
	if n := len(s.sizes); n != shortest {
		t.Errorf("%d are remembered", n)
	}
}
