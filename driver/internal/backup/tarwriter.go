package backup

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"sync"
	"time"
)

// TarWriter writes a backup as a tar: what a directory has of one, in the order in which a TarReader
// reads it. How many bytes the records take is known only when they are written, and a tar says that
// before: so they are a directory of parts. Extracted it is a backup in a directory. Nothing is written
// twice, or read whole. PutBlob is safe for concurrent use, and writes one blob after the other.
type TarWriter struct {
	mu  sync.Mutex
	tar *tar.Writer
	at  time.Time // of all files
}

// NewTarWriter begins a backup of that moment.
func NewTarWriter(to io.Writer, at time.Time) *TarWriter {
	return &TarWriter{tar: tar.NewWriter(to), at: at}
}

// header begins a file.
func (w *TarWriter) header(name string, size int64) error {
	return w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: w.at.Truncate(time.Second)})
}

func (w *TarWriter) put(name string, content []byte) error {
	if err := w.header(name, int64(len(content))); err != nil {
		return err
	}
	_, err := w.tar.Write(content)
	return err
}

// PutRecords writes the records that do puts.
func (w *TarWriter) PutRecords(h Head, do func(put func(Record) error) error) (Sum, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	sum, err := writeRecords(&parts{to: w, dir: mapPrefix + h.ID}, h, do)
	if err != nil {
		return Sum{}, fmt.Errorf("write records: %w", err)
	}
	return sum, nil
}

// parts makes a file of each piece that is written.
type parts struct {
	to  *TarWriter
	dir string
	n   int
}

// Write implements io.Writer.
func (p *parts) Write(b []byte) (int, error) {
	p.n++
	if err := p.to.put(path.Join(p.dir, fmt.Sprintf("%08d", p.n)), b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// HasBlob reports that no blob is there already.
func (w *TarWriter) HasBlob(string, int64, *os.File) bool { return false }

// PutBlob writes a blob of a plain file. When that cannot be read to its end the error is ErrUnread,
// and the blob has other bytes: a tar has said how many there are.
func (w *TarWriter) PutBlob(ctx context.Context, name string, from *os.File, size int64) (Way, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.header(path.Join(blobsDir, name), size)
	if err == nil {
		err = w.body(ctx, from, size)
	}
	if err != nil {
		return Copied, fmt.Errorf("write blob %s: %w", name, err)
	}
	return Copied, nil
}

func (w *TarWriter) body(ctx context.Context, from io.ReaderAt, size int64) error {
	n, err := io.Copy(w.tar, io.NewSectionReader(whileIn{ctx, from}, 0, size))
	if err == nil && n < size {
		err = fmt.Errorf("%w: %w", ErrUnread, io.ErrUnexpectedEOF)
	}
	if errors.Is(err, ErrUnread) {
		if _, errRest := io.CopyN(w.tar, zeros{}, size-n); errRest != nil {
			return errRest
		}
	}
	return err
}

// zeros reads as bytes of 0, without an end.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// Commit writes what makes all of it a backup.
func (w *TarWriter) Commit(m Manifest, _ func(string) bool) (removed int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m.Format = format
	b, err := json.MarshalIndent(m, "", "  ")
	if err == nil {
		err = w.put(manifestName, append(b, '\n'))
	}
	if err = errors.Join(err, w.tar.Close()); err != nil {
		return 0, fmt.Errorf("write %s: %w", manifestName, err)
	}
	return 0, nil
}
