package driver

import (
	"errors"
	"testing"
)

// TestNoStatusBeforeItIsKnown: the operator is answered only once it is decided whether the
// registry joins others. Before that it would seem to be ready.
func TestNoStatusBeforeItIsKnown(t *testing.T) {
	p := DefaultParameters()
	p.Offline, p.DatastorePath, p.LogLevel = true, t.TempDir(), "error"
	s, err := open(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.close() }()
	if status, err := NewClient(p).Status(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("answered before the start: %+v %v", status, err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	if _, err := NewClient(p).Status(t.Context()); err != nil {
		t.Error(err)
	}
}
