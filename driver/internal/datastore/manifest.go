package datastore

import (
	"os"
	"path/filepath"
	"syscall"

	"github.com/dgraph-io/badger"
)

const (
	manifestRoom  = 1 << 20  // bytes allocated beyond the end of badger's manifest
	manifestLeast = 64 << 10 // when fewer of them are left, more are allocated
)

// keepManifest allocates room beyond the end of badger's manifest. badger repeats a failed
// append after the part of it that was written, and then cannot open that manifest.
func keepManifest(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, badger.ManifestFilename), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int64(st.Blocks)*512-info.Size() >= manifestLeast {
		return nil
	}
	return allocateBehind(f, info.Size(), manifestRoom)
}
