// Package archive writes tar.gz archives that are the same, byte by byte, for the same files: in one
// order, of one owner, one date, and of two modes.
package archive

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"
)

// File is one file of an archive.
type File struct {
	Name string      // in the archive, with slashes
	Path string      // on the disk
	Mode fs.FileMode // 0: 0644
}

// Write writes an archive of files below one directory in it.
func Write(to, below string, files []File, date time.Time) (err error) {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := write(out, below, files, date); err != nil {
		return fmt.Errorf("archive %s: %w", to, err)
	}
	return nil
}

func write(out io.Writer, below string, files []File, date time.Time) error {
	compressed, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	packed := tar.NewWriter(compressed)
	for _, f := range slices.SortedFunc(slices.Values(files), func(a, b File) int { return cmp.Compare(a.Name, b.Name) }) {
		if err := add(packed, path.Join(below, f.Name), f, date); err != nil {
			return err
		}
	}
	return errors.Join(packed.Close(), compressed.Close())
}

func add(packed *tar.Writer, name string, f File, date time.Time) error {
	in, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Name: name, Mode: int64(cmp.Or(f.Mode, 0o644)), Size: info.Size(), ModTime: date, Format: tar.FormatPAX}
	if err := packed.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(packed, in)
	return err
}
