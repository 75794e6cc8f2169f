package engine

import (
	"os"
	"path/filepath"
)

// warnOfKeys logs which key files other users of this machine can read. They are used all the
// same: who mounts a secret into a container cannot always choose its mode.
func (e *Engine) warnOfKeys() {
	for _, key := range []struct{ name, file string }{
		{"protectorkeyfile", e.cfg.ProtectorKeyFile}, {"protectorkeynextfile", e.cfg.ProtectorKeyNextFile},
		{"privatekeyfile", e.cfg.PrivateKeyFile},
	} {
		if exposed(key.file) {
			e.Log.WithField("file", key.file).Warn(key.name + ": every user of this machine can read this file; run chmod 0600 on it")
		}
	}
}

// exposed reports whether others than a file's owner and group can read or replace it. Of the
// directories above it only the first is looked at.
func exposed(file string) bool {
	if file == "" {
		return false
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o006 == 0 {
		return false
	}
	dir, err := os.Stat(filepath.Dir(file))
	return err != nil || dir.Mode().Perm()&0o001 != 0
}
