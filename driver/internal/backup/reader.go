package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// Reader reads the backup in a directory. It is safe for concurrent use.
type Reader struct {
	Manifest Manifest
	root     *os.Root
}

// Open opens a backup; the error is ErrNone where there is no whole one. The caller closes it.
func Open(dir string) (*Reader, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	m, err := readManifest(root)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), root.Close())
	}
	return &Reader{m, root}, nil
}

// Close closes it.
func (r *Reader) Close() error { return r.root.Close() }

// Records calls do with each record. The error is ErrDamaged when they are not those of the manifest,
// which is known only after the last one.
func (r *Reader) Records(do func(Record) error) error {
	f, err := r.openRecords()
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	records, err := ReadRecords(f)
	if err == nil {
		err = records.each(do)
	}
	if err != nil {
		return err
	}
	return r.Manifest.matches(records)
}

// openRecords opens the file of the records, or those of a tar that was extracted, one after the other.
func (r *Reader) openRecords() (io.ReadCloser, error) {
	name := mapPrefix + r.Manifest.ID
	info, err := r.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return r.root.Open(name)
	}
	parts, err := fs.ReadDir(r.root.FS(), name)
	if err != nil {
		return nil, err
	}
	in := &files{root: r.root}
	for _, part := range parts { // in the order of their names
		in.names = append(in.names, path.Join(name, part.Name()))
	}
	return in, nil
}

// files reads files, one after the other.
type files struct {
	root  *os.Root
	names []string
	open  *os.File
}

// Read implements io.Reader.
func (f *files) Read(b []byte) (int, error) {
	for {
		if f.open == nil {
			if len(f.names) == 0 {
				return 0, io.EOF
			}
			next, err := f.root.Open(f.names[0])
			if err != nil {
				return 0, err
			}
			f.open, f.names = next, f.names[1:]
		}
		n, err := f.open.Read(b)
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		if err := f.Close(); err != nil || n > 0 {
			return n, err
		}
	}
}

// Close implements io.Closer.
func (f *files) Close() error {
	if f.open == nil {
		return nil
	}
	err := f.open.Close()
	f.open = nil
	return err
}

// Blob opens the file of a blob, which the caller closes.
func (r *Reader) Blob(name string) (*os.File, error) {
	name = path.Join(blobsDir, name)
	info, err := r.root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() { // to open a pipe would wait
		err = fmt.Errorf("%s is no plain file: %w", name, ErrDamaged)
	}
	if err != nil {
		return nil, err
	}
	return r.root.Open(name)
}
