package engine

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/datastore"
)

// Ready lists the reasons why this registry should not be sent requests yet, or should no
// longer be; an empty list means that it is ready. Ready writes a small file to find out. A
// registry that is not ready still serves what it has.
func (e *Engine) Ready() []string {
	reasons := []string{}
	for _, check := range e.readiness() {
		if reason := check(); reason != "" {
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

// readiness are the checks of Ready. Each returns the reason for not being ready, and what
// the operator can do about it, or "".
func (e *Engine) readiness() []func() string {
	return []func() string{e.shuttingDown, e.retiring, e.unwritable, e.unjoined, e.Twinned, e.WasRevoked, e.shutOut}
}

// ShutDown makes Ready say from now on that this registry is shutting down. The registry keeps
// serving until Close.
func (e *Engine) ShutDown() { e.stopping.Store(true) }

func (e *Engine) shuttingDown() string {
	if e.stopping.Load() {
		return "shutting down"
	}
	return ""
}

// unwritable tries to write: a file system can be full, or have become read-only.
func (e *Engine) unwritable() string {
	if err := tryWrite(e.path(writersDir)); err != nil {
		return "storage is not writable: " + err.Error()
	}
	if err := e.Store.Writable(); err != nil {
		return "storage is not writable: " + err.Error()
	}
	return ""
}

// TakesNoWrites reports whether an error says that the datastore is down, and whether that is
// because the disk is full; otherwise it is being opened again.
func TakesNoWrites(err error) (down, full bool) {
	var is *datastore.Unavailable
	if !errors.As(err, &is) {
		return false, false
	}
	return true, is.Full
}

func tryWrite(dir string) error {
	f, err := os.CreateTemp(dir, ".ready-*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 4096))
	return errors.Join(err, f.Close(), os.Remove(filepath.Clean(f.Name())))
}
