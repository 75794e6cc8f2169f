package driver

import (
	"errors"
	"os"
	"path/filepath"
)

// Ready lists why this registry should not be sent requests yet, or any more; empty:
// it should. It writes a small file. What is listed keeps nobody from asking: what a
// registry has, it serves.
func (r *rooms) Ready() []string {
	reasons := []string{}
	for _, check := range r.readiness() {
		if reason := check(); reason != "" {
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

// readiness are the checks of Ready. Each gives the reason for not being ready, with
// what to do where the operator can do something, or "".
func (r *rooms) readiness() []func() string {
	return []func() string{r.unwritable, r.unjoined, r.twinned}
}

// unwritable tries to write: a file system can be full, or have become read-only.
func (r *rooms) unwritable() string {
	if err := tryWrite(r.path(writersDir)); err != nil {
		return "storage is not writable: " + err.Error()
	}
	if err := r.db.Writable(); err != nil {
		return "storage is not writable: " + err.Error()
	}
	return ""
}

func tryWrite(dir string) error {
	f, err := os.CreateTemp(dir, ".ready-*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 4096))
	return errors.Join(err, f.Close(), os.Remove(filepath.Clean(f.Name())))
}
