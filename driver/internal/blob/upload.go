package blob

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
)

// Upload is a plain file that grows, until Store.AdoptUpload makes it a blob. Its
// leaves are hashed beside the writing, so that nobody reads it again; what is known
// of them lies beside the file when the upload is closed.
//
// It takes a megabyte of memory at most while bytes come. It is safe for concurrent
// use, and one Upload at a time writes a file: whoever begins to write, or makes a blob
// of the file, ends the one before, a request perhaps whose connection is dying.
type Upload struct {
	store *Store
	file  *os.File

	mu    sync.Mutex
	from  int64       // its size when it was opened
	known *known      // of that many bytes; nil: nothing
	claim *room.Claim // for what is accepted and not written
	may   int64       // bytes behind from that there is room for
	size  int64
	piece *piece // not written yet; nil: none
	flow  *flow  // nil until there is a piece's worth
	tally *tally // nil until the first byte
	fault error  // why it ended early, and gave back all it held; nothing is known of the file
	state uploadState
}

type uploadState int

const (
	uploadOpen uploadState = iota
	uploadCommitted
	uploadClosed
	uploadCancelled
)

// ErrUploadOver reports that an upload was committed, closed, cancelled or taken over by
// another before.
var ErrUploadOver = errors.New("the upload is over")

// Upload opens a file for writing, at its end when it is to be appended to, and makes
// it and its directory where they are missing. The first byte that is appended has the
// last leaf of what is there read; after a crash, when nothing is known of it, all.
//
// Its leaves are hashed with the function that the store had when its first byte was
// hashed: resuming goes on with that one, and so does AdoptUpload.
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

// begin makes this upload the one that writes the file, which ends where this upload
// does, and takes up what is known of its bytes.
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
	k, errKnown := readKnown(u.file.Name())
	if err := removeFiles(UploadNote(u.file.Name())); err != nil { // it is about to be wrong
		return err
	}
	if info.Size() < u.size {
		return ErrUploadOver // somebody cut it: what came now would lie behind a hole
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

// named describes the file while it still has its name. It has not when it became a
// blob, or was removed, since it was opened: then it is not to be written.
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

// Expect claims room for n bytes that are to be written; a *room.Short when there is
// none, and then nothing should be. What nobody told of is claimed as it comes.
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

// Size is how much was accepted, in bytes, with what was there before. After a failure
// it is what was there before: that is all that is kept.
func (u *Upload) Size() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.size
}

// Write implements io.Writer. What is accepted may be written, and fail, later: then
// the error is a later Write's, or that of Commit and Close.
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

// reserve claims room for a piece, and more, where that is not claimed yet.
func (u *Upload) reserve(n int) error {
	if u.size+int64(n) <= u.from+u.may {
		return nil
	}
	return u.expect(LeafSize)
}

// send hands the piece to those who write and hash it.
func (u *Upload) send() error {
	if u.flow == nil {
		u.flow = startFlow(u.store.writeTo(u.file, u.claim), u.tally)
	}
	c := u.piece
	u.piece = nil
	return u.flow.send(c)
}
