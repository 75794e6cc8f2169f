package atomicfile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// maxFile is how much is read of a file, in bytes: more than any configuration has.
const maxFile = 1 << 20

// Edit is what becomes of a file.
type Edit struct {
	Path          string
	Before, After []byte // nil: there is no such file
	// Directory is removed with the file when nothing else is in it then.
	Directory bool
}

// Changes reports whether it changes anything.
func (e Edit) Changes() bool { return !bytes.Equal(e.Before, e.After) }

// Make writes the file, or removes it.
func (e Edit) Make() error {
	if e.After != nil {
		return Write(e.Path, e.After)
	}
	err := os.Remove(e.Path)
	if err == nil && e.Directory {
		_ = os.Remove(filepath.Dir(e.Path)) // it fails when something else is in it
	}
	return err
}

// Read reads a file of configuration, of at most a mebibyte.
func Read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxFile {
		err = fmt.Errorf("%d bytes are more than such a file has", info.Size())
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}
