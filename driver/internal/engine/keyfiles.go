package engine

import (
	"errors"
	"os"
)

// KeyFile is a file that the configuration names for a key.
type KeyFile struct {
	Name    string // of the parameter
	Path    string
	Exposed bool  // every user of this machine can read or replace it
	Trouble error // why the registry will not start with it; nil: it will
}

// KeyFiles are those of a configuration, whether a registry runs with it or not. Nothing is made
// that is missing.
func KeyFiles(cfg Config) (files []KeyFile) {
	for _, f := range []struct {
		name, path string
		read       func() error
	}{
		{"protectorkeyfile", cfg.ProtectorKeyFile, cfg.tryProtectorKey},
		{"protectorkeynextfile", cfg.ProtectorKeyNextFile, cfg.tryNextProtectorKey},
		{"privatekeyfile", cfg.PrivateKeyFile, cfg.tryPrivateKey},
	} {
		if f.path != "" {
			files = append(files, KeyFile{f.name, f.path, exposed(f.path), f.read()})
		}
	}
	return files
}

func (c Config) tryProtectorKey() error {
	_, missing := os.Stat(c.ProtectorKeyFile)
	if errors.Is(missing, os.ErrNotExist) && errors.Is(ranThere(c.Path), os.ErrNotExist) && len(c.Bootstrappers) == 0 {
		return nil // the first start makes it
	}
	_, err := c.protectorKey(false)
	return err
}

// tryNextProtectorKey compares it with the present key where that can be read; what is wrong with
// that one is said of its own file.
func (c Config) tryNextProtectorKey() error {
	present, _ := c.protectorKey(false)
	_, err := c.nextProtectorKey(present)
	return err
}

func (c Config) tryPrivateKey() error {
	if _, err := os.Stat(c.PrivateKeyFile); errors.Is(err, os.ErrNotExist) {
		return nil // the first start makes it
	}
	_, err := c.privateKeyFromFile()
	return err
}
