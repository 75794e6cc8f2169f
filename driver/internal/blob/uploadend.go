package blob

import (
	"errors"
	"fmt"
	"os"
)

// Commit makes the bytes safe on disk; nothing can be written any more.
func (u *Upload) Commit() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.state != uploadOpen {
		return ErrUploadOver
	}
	if err := u.settle(); err != nil {
		return fmt.Errorf("commit upload: %w", err)
	}
	u.state = uploadCommitted
	return nil
}

// Close keeps what came, safe on disk, for Store.Upload to append to or
// Store.AdoptUpload.
func (u *Upload) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.close()
}

func (u *Upload) close() error {
	var err error
	switch u.state {
	case uploadClosed, uploadCancelled:
		return ErrUploadOver
	case uploadOpen:
		err = u.settle()
	}
	u.state = uploadClosed
	if err = errors.Join(err, u.release()); err != nil {
		return fmt.Errorf("close upload: %w", err)
	}
	return nil
}

// Cancel removes the file, and ends whoever else writes it. After a failure, which it
// returns then, the file stays: it has what came before this Upload was opened.
func (u *Upload) Cancel() error {
	u.mu.Lock()
	fault := u.fault
	u.mu.Unlock()
	if fault != nil {
		return fmt.Errorf("cancel upload: %w", fault)
	}
	if !u.drop() {
		return ErrUploadOver
	}
	// Not with the lock held: the other one may be waiting for it, to take over. The
	// name goes first, so that nobody begins once the others have ended.
	file := u.file.Name()
	err := os.Remove(file)
	u.store.EndUploads(file)
	if err = errors.Join(err, removeFiles(UploadNote(file))); err != nil {
		return fmt.Errorf("cancel upload: %w", err)
	}
	return nil
}

// drop ends an upload whose bytes nobody wants any more; false when it had ended.
func (u *Upload) drop() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.state == uploadClosed || u.state == uploadCancelled {
		return false
	}
	u.state = uploadCancelled
	_ = u.release()
	return true
}

// fail gives back at once what an upload holds that cannot go on: the registry does not
// close its writer when the disk is full. The fault is what everything returns then.
func (u *Upload) fail(fault error) error {
	if u.fault != nil {
		return u.fault
	}
	u.halt()
	u.undo()
	_ = u.leave()
	u.fault = fault
	return fault
}

// undo takes what came off the file again: nobody was told that it is here, so
// whoever tries again begins where this upload began.
func (u *Upload) undo() {
	if u.tally == nil {
		return // nothing came
	}
	if _, err := u.named(); err == nil && u.cut(u.file) == nil {
		u.size = u.from
	}
}

// Revert takes what came since the upload was opened off its file again, after Commit
// or Close: what was to be made of it failed, and the client was not told that it is
// here. ErrUploadOver when the file has become a blob.
func (u *Upload) Revert() error {
	name := u.file.Name()
	_, done := u.store.uploads.adopt(name)
	defer done()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("revert upload: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && isShared(info) {
		err = ErrUploadOver
	}
	if err == nil && info.Size() > u.from {
		err = errors.Join(removeFiles(UploadNote(name)), u.cut(f))
	}
	if err != nil {
		return fmt.Errorf("revert upload: %w", err)
	}
	return nil
}

// cut makes the upload's file what it was, with what was known of it.
func (u *Upload) cut(file *os.File) error {
	if err := errors.Join(file.Truncate(u.from), file.Sync()); err != nil {
		return err
	}
	info, err := file.Stat()
	if u.known == nil || err != nil {
		return err
	}
	u.known.ModTime = info.ModTime().UnixNano()
	_ = u.known.write(file.Name()) // without it the file is read again
	return nil
}

// release gives back goroutines, memory and the file, and its place to others. After
// a fault that is done already.
func (u *Upload) release() error {
	if u.fault != nil {
		return nil
	}
	u.halt()
	return u.leave()
}

// halt ends the writing.
func (u *Upload) halt() {
	if u.flow != nil {
		_ = u.flow.end() // settle has said what is to be said
	}
	if u.piece != nil {
		u.piece.free()
		u.piece = nil
	}
}

func (u *Upload) leave() error {
	u.claim.Release()
	u.store.uploads.leave(u) // only now: nobody else writes beside the flow
	return u.file.Close()
}

// settle writes what is left, syncs the file, and notes what is known of it. What
// failed once stays failed: the bytes are gone, and the next sync would not say so.
func (u *Upload) settle() error {
	if u.tally == nil || u.fault != nil {
		return u.fault // without a tally it wrote nothing: who did has settled it
	}
	err := u.drain()
	if err == nil {
		err = u.file.Sync()
	}
	if err != nil {
		return u.fail(err)
	}
	info, err := u.file.Stat()
	if err != nil {
		return err
	}
	// The bytes are safe: where the note cannot be kept, they are read again.
	if err := u.tally.know(info).write(u.file.Name()); err != nil {
		u.store.log.WithError(err).Debug("an upload is to be read again when it ends")
	}
	return nil
}

// drain waits until everything is written and hashed.
func (u *Upload) drain() error {
	switch {
	case u.flow != nil:
		var err error
		if u.piece != nil {
			err = u.send()
		}
		return errors.Join(err, u.flow.end())
	case u.piece == nil:
		return nil
	}
	// Few bytes: goroutines would cost more than they bring.
	c := u.piece
	u.piece = nil
	defer c.free()
	u.tally.add(c.bytes)
	_, err := u.file.WriteAt(c.bytes, c.offset)
	u.claim.Spend(int64(len(c.bytes)))
	return err
}
