package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/filesystem"
)

const (
	blobsDir   = "blobs"
	mapPrefix  = "map-"
	partSuffix = ".part" // of a file that is being written
)

// Way is how the bytes of a blob came into a backup.
type Way int

// The ways, the cheapest first.
const (
	Cloned Way = iota // they are shared with the registry's file (a reflink)
	Linked            // it is a second name of the registry's file
	Copied
)

// Writer writes the backup of one registry into a directory, in which an earlier one may lie: what is
// there of its blobs is not written again. PutBlob is safe for concurrent use, but for that of one
// name.
type Writer struct {
	dir  string
	root *os.Root
	self *os.File // that directory, locked
}

// Create opens a directory, which is made, for the backup of a registry, or of its map alone. It fails when another
// process writes there, when the backup there is another registry's, and when it has blobs that the new one
// is not to have.
func Create(dir, peer string, mapOnly bool) (*Writer, error) {
	if err := os.MkdirAll(filepath.Join(dir, blobsDir), 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	w := &Writer{dir: dir, root: root}
	if w.self, err = root.Open("."); err == nil {
		err = lock(w.self)
	}
	if err == nil {
		err = w.continues(peer, mapOnly)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), w.Close())
	}
	return w, nil
}

// continues fails unless what is there may become the backup of a registry, and removes the records that
// runs left which did not come to their end: each leaves those of a whole map, and a disk that was full would
// stay so.
func (w *Writer) continues(peer string, mapOnly bool) error {
	m, err := readManifest(w.root)
	switch {
	case errors.Is(err, ErrDamaged):
		return nil // it becomes whole
	case err != nil && !errors.Is(err, ErrNone):
		return err
	case err == nil && m.Peer != peer:
		return fmt.Errorf("holds the backup of another registry, %.64q: name another directory", m.Peer)
	case err == nil && mapOnly && !m.MapOnly:
		return errors.New("holds a backup with blobs, which one of the map alone would remove: name another directory")
	}
	_, err = w.removeOthers(".", isNoMapBut(m.ID))
	return err
}

// Close ends the writing. What was not committed stays, and is no backup.
func (w *Writer) Close() error {
	var err error
	if w.self != nil {
		err = w.self.Close()
	}
	return errors.Join(err, w.root.Close())
}

// PutRecords writes the records that do puts.
func (w *Writer) PutRecords(h Head, do func(put func(Record) error) error) (sum Sum, err error) {
	err = w.put(mapPrefix+h.ID, func(f *os.File) error {
		sum, err = writeRecords(f, h, do)
		return err
	})
	if err != nil {
		return Sum{}, fmt.Errorf("write records: %w", err)
	}
	return sum, nil
}

// HasBlob reports whether a blob is there already. from is the registry's file: one that was written after the
// blob came into the backup may be what took the place of a damaged one, which the backup has, too. Nil is a
// file that cannot be read.
func (w *Writer) HasBlob(name string, size int64, from *os.File) bool {
	info, err := w.root.Lstat(path.Join(blobsDir, name))
	if err != nil || !info.Mode().IsRegular() || info.Size() != size {
		return false
	}
	if from == nil {
		return true
	}
	is, err := from.Stat()
	return err == nil && (os.SameFile(is, info) || !is.ModTime().After(info.ModTime()))
}

// PutBlob writes a blob of a plain file, which is never written to again: where the filesystem can, the
// bytes are shared, or the file gets a second name, else they are copied.
func (w *Writer) PutBlob(ctx context.Context, name string, from *os.File, size int64) (Way, error) {
	way := Copied
	err := w.put(path.Join(blobsDir, name), func(f *os.File) error {
		if filesystem.Clone(f, from) == nil {
			way = Cloned
			return nil
		}
		part := filepath.Join(w.dir, blobsDir, name+partSuffix)
		if err := os.Remove(part); err != nil {
			return err
		}
		if filesystem.Link(from, part) == nil {
			way = Linked
			return nil
		}
		return copyBlob(ctx, part, from, size)
	})
	if err != nil {
		return way, fmt.Errorf("write blob %s: %w", name, err)
	}
	return way, nil
}

// copyBlob writes a file anew.
func copyBlob(ctx context.Context, part string, from *os.File, size int64) error {
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	n, err := io.Copy(f, io.NewSectionReader(whileIn{ctx, from}, 0, size))
	if err == nil && n != size {
		err = fmt.Errorf("%w: %w", ErrUnread, io.ErrUnexpectedEOF)
	}
	return errors.Join(err, f.Sync())
}

// ErrUnread reports that the registry's file could not be read.
var ErrUnread = errors.New("it cannot be read")

// whileIn reads until a context ends.
type whileIn struct {
	ctx context.Context
	io.ReaderAt
}

// ReadAt implements io.ReaderAt.
func (r whileIn) ReadAt(b []byte, offset int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.ReaderAt.ReadAt(b, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", ErrUnread, err)
	}
	return n, err
}

// Commit makes what was written the backup, once all of it is safe on disk. Then it removes what belongs
// to none: earlier records, and the blobs that keep does not want. Until it returns, the earlier backup
// is the one that the directory holds, with all of its blobs.
func (w *Writer) Commit(m Manifest, keep func(blob string) bool) (removed int, err error) {
	m.Format = format
	if err := filesystem.SyncAll(w.self); err != nil {
		return 0, fmt.Errorf("sync the backup: %w", err)
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return 0, err
	}
	err = w.put(manifestName, func(f *os.File) error {
		_, err := f.Write(append(b, '\n'))
		return err
	})
	if err == nil {
		err = w.self.Sync()
	}
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", manifestName, err)
	}
	return w.clean(m.ID, keep)
}

// clean removes what does not belong to the backup.
func (w *Writer) clean(id string, keep func(blob string) bool) (removed int, err error) {
	if _, err := w.removeOthers(".", isNoMapBut(id)); err != nil {
		return 0, err
	}
	return w.removeOthers(blobsDir, keep)
}

// isNoMapBut is of all that is no map, and of that of a backup.
func isNoMapBut(id string) func(name string) bool {
	return func(name string) bool { return !strings.HasPrefix(name, mapPrefix) || name == mapPrefix+id }
}

// removeOthers removes from a directory what is not mine.
func (w *Writer) removeOthers(in string, mine func(name string) bool) (removed int, err error) {
	dir, err := w.root.Open(in)
	if err != nil {
		return 0, err
	}
	names, err := dir.Readdirnames(-1)
	for _, name := range names {
		if err == nil && !mine(name) {
			removed++
			err = w.root.RemoveAll(path.Join(in, name)) // the records of a tar that was extracted are a directory
		}
	}
	if err = errors.Join(err, dir.Close()); err != nil {
		err = fmt.Errorf("remove what an earlier backup left: %w", err)
	}
	return removed, err
}

// put writes a file under another name, which it loses when it is whole and synced. What a writing that
// was killed left under that name is replaced.
func (w *Writer) put(name string, write func(*os.File) error) error {
	part := name + partSuffix
	if err := w.root.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := w.root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = w.root.Rename(part, name)
	}
	if err != nil {
		_ = w.root.Remove(part) // or the next writing does
	}
	return err
}
