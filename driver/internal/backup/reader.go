package backup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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
	f, err := r.root.Open(mapPrefix + r.Manifest.ID)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	records, err := ReadRecords(f)
	if err != nil {
		return err
	}
	for {
		rec, err := records.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = do(rec)
		}
		if err != nil {
			return err
		}
	}
	got, want := records.Sum(), r.Manifest.Sum
	if records.Head.ID != r.Manifest.ID || records.Head.Peer != r.Manifest.Peer || got.Records != want.Records || !bytes.Equal(got.SHA256, want.SHA256) {
		return fmt.Errorf("the records are not those of %s: %w", manifestName, ErrDamaged)
	}
	return nil
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
