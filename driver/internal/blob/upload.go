package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
)

// Upload is a plain file that grows, until Store.PushUpload makes it a blob. Its leaves
// are hashed while it is written, so that it need not be read again; when the upload is
// closed, their hashes are kept beside the file.
//
// It takes at most a megabyte of memory while bytes arrive. It is safe for concurrent use.
// Only one Upload at a time writes a file: opening another one, or making a blob of the
// file, ends the previous one, which may belong to a request whose connection is dying.
type Upload struct {
	store *Store
	file  *os.File
	with  string // a file that has to be as safe as the first bytes; "": none

	mu    sync.Mutex
	from  int64       // its size when it was opened
	known *known      // of that many bytes; nil: nothing
	claim *room.Claim // for what is accepted and not written
	may   int64       // bytes after from for which there is room
	size  int64
	piece *piece // not written yet; nil: none
	flow  *flow  // nil until there is a piece's worth
	tally *tally // nil until the first byte
	fault error  // why it ended early and released everything; nothing is known of the file
	state uploadState
}

type uploadState int

const (
	uploadOpen uploadState = iota
	uploadCommitted
	uploadClosed
	uploadCancelled
)

// ErrUploadOver reports that an upload has already been committed, closed, canceled, or taken
// over by another one.
var ErrUploadOver = errors.New("the upload is over")

// Upload opens a file for writing, at its end if it is to be appended to, and makes the
// file and its directory when they are missing. With the first byte that is appended the
// last leaf of the file is read again; after a crash, when nothing is known of the file,
// all of it.
//
// Its leaves are hashed with the function that the store had when its first byte was
// hashed: resumed uploads keep that function, and so does PushUpload.
func (s *Store) Upload(file string, appending bool) (*Upload, error) {
	u, err := s.openUpload(file, appending)
	if err != nil {
		return nil, fmt.Errorf("upload: %w", err)
	}
	return u, nil
}

func (s *Store) openUpload(file string, appending bool) (*Upload, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	u := &Upload{store: s, file: f}
	if appending {
		u.size, err = f.Seek(0, io.SeekEnd)
		u.from = u.size
	} else {
		err = u.begin()
	}
	if err != nil {
		return nil, u.fail(err)
	}
	return u, nil
}

// begin makes this upload the one that writes the file, cuts the file to this upload's
// size, and takes up what is known of its bytes.
func (u *Upload) begin() error {
	rewritten, err := u.store.uploads.claim(u)
	if err != nil {
		return err
	}
	info, err := u.named()
	if err != nil {
		return err
	}
	if isShared(info) {
		return ErrUploadOver
	}
	k, errKnown := u.store.readKnown(u.file.Name())
	if !errors.Is(errKnown, os.ErrNotExist) {
		if err := u.store.unnote(u.file.Name()); err != nil { // it is about to be wrong
			return err
		}
	}
	if info.Size() < u.size {
		return ErrUploadOver // the file was cut: new bytes would come after a hole
	}
	if info.Size() > u.size {
		errKnown, rewritten = errUnknown, true
		if err := u.file.Truncate(u.size); err != nil {
			return err
		}
	}
	t := newTally(u.store.Function())
	t.run, t.reread = u.store.run, u.size > 0
	if errKnown == nil && k.Size > 0 && k.describes(info) {
		t = k.tally()
		u.known = k
	}
	t.reread = t.reread || rewritten
	if err := t.read(u.file, u.size); err != nil {
		return err
	}
	u.tally = t
	return nil
}

// named describes the file while it still has its name. A file that became a blob or was
// removed since it was opened has none, and must not be written.
func (u *Upload) named() (os.FileInfo, error) {
	info, err := u.file.Stat()
	if err != nil {
		return nil, err
	}
	there, err := os.Stat(u.file.Name())
	if errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(info, there) {
		return nil, ErrUploadOver
	}
	return info, err
}

// Begun names a file that was written, and not synced, when the upload began: it is synced
// with the first bytes that Close keeps.
func (u *Upload) Begun(file string) { u.with = file }

// Expect claims room for n bytes that are to be written; a *room.Short when there is none,
// and then nothing should be written. Room for bytes that were not announced is claimed as
// they come.
func (u *Upload) Expect(n int64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.expect(n)
}

// expect claims room for n bytes; mu is held.
func (u *Upload) expect(n int64) (err error) {
	if u.claim == nil {
		u.claim, err = u.store.room.Take(n)
	} else {
		err = u.claim.Grow(n)
	}
	if err == nil {
		u.may += n
	}
	return err
}

// Size is the number of bytes that were accepted, including those that were there before.
// After a failure it is the number that were there before, since only those are kept.
func (u *Upload) Size() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.size
}

// Write implements io.Writer. Accepted bytes may be written to the disk later. When that
// fails, a later Write, Commit or Close returns the error.
func (u *Upload) Write(b []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.state != uploadOpen {
		return 0, ErrUploadOver
	}
	n, err := u.write(b)
	if err != nil {
		return n, fmt.Errorf("write %s: %w", u.file.Name(), u.fail(err))
	}
	return n, nil
}

func (u *Upload) write(b []byte) (int, error) {
	if u.fault != nil {
		return 0, u.fault
	}
	if u.tally == nil && len(b) > 0 {
		if err := u.begin(); err != nil {
			return 0, err
		}
	}
	n := 0
	for n < len(b) {
		if err := u.reserve(min(len(b)-n, pieceSize)); err != nil {
			return n, err
		}
		if u.piece == nil {
			u.piece = newPiece(u.size)
		}
		taken := u.piece.fill(b[n:])
		n += taken
		u.size += int64(taken)
		if !u.piece.full() {
			break
		}
		if err := u.send(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// reserve claims room for a piece, and for some more, unless it is claimed already.
func (u *Upload) reserve(n int) error {
	if u.size+int64(n) <= u.from+u.may {
		return nil
	}
	err := u.expect(dag.LeafSize)
	if room.IsFull(err) {
		u.store.room.Await(context.Background(), dag.LeafSize)
		err = u.expect(dag.LeafSize)
	}
	return err
}

// send hands the piece to the goroutines that write and hash it.
func (u *Upload) send() error {
	if u.flow == nil {
		u.flow = startFlow(u.store.writeTo(u.file, u.claim), u.tally)
	}
	c := u.piece
	u.piece = nil
	return u.flow.send(c)
}
