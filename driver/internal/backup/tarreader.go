package backup

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// TarReader reads a backup that a TarWriter wrote, from its beginning to its end: first Records, then
// Blobs. It takes memory for one record, or one piece of a blob. It is for one goroutine.
type TarReader struct {
	Head     Head
	Manifest Manifest // of the end: known after Blobs

	tar     *tar.Reader
	next    *tar.Header // that was read, and is not used yet
	dir     string      // of the records
	records *RecordReader
}

// OpenTar begins to read a backup. The error is ErrNone when it is another tar, or none.
func OpenTar(from io.Reader) (*TarReader, error) {
	r := &TarReader{tar: tar.NewReader(from)}
	h, err := r.header()
	if err != nil {
		return nil, fmt.Errorf("%w: it does not begin as a tar does; one that is compressed has to be decompressed on its way here: %w", ErrNone, err)
	}
	r.dir, r.next = mapOf(h), h
	if r.dir == "" {
		return nil, fmt.Errorf("%w: the tar begins with %.80q; extract it, and restore the directory", ErrNone, h.Name)
	}
	if r.records, err = ReadRecords((*recordParts)(r)); err != nil {
		return nil, err
	}
	r.Head = r.records.Head
	if r.dir != mapPrefix+r.Head.ID {
		return nil, fmt.Errorf("the records are of another backup: %w", ErrDamaged)
	}
	return r, nil
}

// header is that of the next file; what is no plain file is left out.
func (r *TarReader) header() (*tar.Header, error) {
	if h := r.next; h != nil {
		r.next = nil
		return h, nil
	}
	for {
		h, err := r.tar.Next()
		if err != nil {
			return nil, ended(err)
		}
		if h.Typeflag == tar.TypeReg {
			h.Name = path.Clean(h.Name)
			return h, nil
		}
	}
}

// ended says what it means that a tar ends within a file.
func ended(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends early", ErrDamaged)
	}
	return err
}

// mapOf is the directory of the records of which a file is a part, or the file that has all; "": none.
func mapOf(h *tar.Header) string {
	dir, part := path.Split(h.Name)
	if dir = path.Clean(dir); dir == "." {
		dir = part
	}
	if strings.HasPrefix(dir, mapPrefix) && isID(strings.TrimPrefix(dir, mapPrefix)) {
		return dir
	}
	return ""
}

// recordParts reads the records, part after part.
type recordParts TarReader

// Read implements io.Reader.
func (p *recordParts) Read(b []byte) (int, error) {
	r := (*TarReader)(p)
	for {
		if h := r.next; h != nil {
			if mapOf(h) != r.dir {
				return 0, io.EOF
			}
			r.next = nil
		}
		n, err := r.tar.Read(b)
		if !errors.Is(err, io.EOF) {
			return n, ended(err)
		}
		if n > 0 { // the next call ends this part
			return n, nil
		}
		if r.next, err = r.header(); err != nil {
			return 0, err
		}
	}
}

// Records calls do with each record. The error is ErrDamaged when they are not as they were written.
func (r *TarReader) Records(do func(Record) error) error { return r.records.each(do) }

// Blobs calls do with each blob, whose bytes it need not read. Then the backup is whole, and Manifest is
// set: before that, the error is ErrDamaged when it ends.
func (r *TarReader) Blobs(do func(name string, size int64, content io.Reader) error) error {
	for {
		h, err := r.header()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: it ends without %s", ErrDamaged, manifestName)
		}
		if err != nil {
			return err
		}
		switch dir, name := path.Split(h.Name); {
		case h.Name == manifestName:
			return r.end()
		case path.Clean(dir) == blobsDir:
			if err := do(name, h.Size, r.tar); err != nil {
				return ended(err)
			}
		}
	}
}

// end reads the manifest.
func (r *TarReader) end() error {
	b, err := io.ReadAll(io.LimitReader(r.tar, maxManifest))
	if err != nil {
		return ended(err)
	}
	if r.Manifest, err = parseManifest(b); err != nil {
		return err
	}
	return r.Manifest.matches(r.records)
}
