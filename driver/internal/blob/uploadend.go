package blob

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Commit writes all bytes to the file; after it nothing can be written. They become safe on
// disk when the file is made a blob.
func (u *Upload) Commit() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.state != uploadOpen {
		return ErrUploadOver
	}
	if err := u.finish(); err != nil {
		return fmt.Errorf("commit upload: %w", err)
	}
	u.state = uploadCommitted
	return nil
}

// Close keeps what has arrived, safe on disk, for Store.Upload to append to or for
// Store.PushUpload.
func (u *Upload) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.close()
}

func (u *Upload) close() error {
	var err error
	switch u.state {
	case uploadClosed, uploadCancelled:
		if u.fault != nil {
			return fmt.Errorf("close upload: %w", u.fault) // whoever took it over may have met it first
		}
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

// Cancel removes the file, and ends any other Upload that writes it. After a failure, which
// it then returns, the file stays, with the bytes that came before this Upload was opened.
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
	// Not with the lock held: another Upload may be waiting for it, to take over. The name
	// goes first, so that no new one begins once the others have ended.
	file := u.file.Name()
	err := os.Remove(file)
	u.store.EndUploads(file)
	if err = errors.Join(err, u.store.unnote(file)); err != nil {
		return fmt.Errorf("cancel upload: %w", err)
	}
	return nil
}

// drop ends an upload whose bytes are no longer wanted; false when it had ended already.
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

// fail releases at once what an upload holds that cannot go on, because distribution does
// not close its writer when the disk is full. All methods return the fault afterwards.
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

// undo removes from the file what came with this upload: no client was told that these
// bytes are here, so a client that tries again begins where this upload began.
func (u *Upload) undo() {
	if u.tally == nil {
		return // nothing came
	}
	if _, err := u.named(); err == nil && u.cut(u.file) == nil {
		u.size = u.from
	}
}

// Revert removes from the file what came since the upload was opened, after Commit or
// Close, when what was to follow has failed and the client was not told that the bytes are
// here. The error is ErrUploadOver when the file has become a blob.
func (u *Upload) Revert() error {
	name := u.file.Name()
	_, done := u.store.seize(name)
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
		err = errors.Join(u.store.unnote(name), u.cut(f))
	}
	if err != nil {
		return fmt.Errorf("revert upload: %w", err)
	}
	return nil
}

// cut restores the upload's file to what it was, and the note beside it.
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

// release gives up the goroutines, the memory and the file, and lets other uploads write
// it. After a fault that is done already.
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
		_ = u.flow.end() // settle has returned the error already
	}
	if u.piece != nil {
		u.piece.free()
		u.piece = nil
	}
}

func (u *Upload) leave() error {
	u.claim.Release()
	u.store.uploads.leave(u) // only now: no other upload may write while the flow does
	return u.file.Close()
}

// settle writes what is left, syncs the file, and notes what is known of it. A failure is
// remembered: the bytes are gone, and the next sync would not report it.
func (u *Upload) settle() error {
	if u.tally == nil || u.fault != nil {
		return u.fault // without a tally this upload wrote nothing, and the one that did has settled it
	}
	err := u.drain()
	if err == nil && u.size > 0 {
		err = u.sync()
	}
	if err != nil {
		return u.fail(err)
	}
	info, err := u.file.Stat()
	if err != nil || u.size == 0 {
		return err
	}
	// The bytes are safe: when the note cannot be written, they are read again.
	if err := u.tally.know(info).write(u.file.Name()); err != nil {
		u.store.log.WithError(err).Debug("an upload has to be read again when it ends")
	}
	return nil
}

// finish writes what is left, and notes what is known of the file, which is not synced.
func (u *Upload) finish() error {
	if u.tally == nil || u.fault != nil {
		return u.fault
	}
	if err := u.drain(); err != nil {
		return u.fail(err)
	}
	info, err := u.file.Stat()
	if err == nil {
		u.store.uploads.note(u.file.Name(), u.tally.know(info))
	}
	return err
}

// sync makes the file safe on disk, and with its first bytes its name, and the file that
// marks its beginning.
func (u *Upload) sync() error {
	if u.from > 0 {
		return u.file.Sync()
	}
	there := func(err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil // the upload is being canceled, or began in another way
		}
		return err
	}
	return together(u.file.Sync,
		func() error { return there(syncDir(filepath.Dir(u.file.Name()))) },
		func() error { return there(syncFile(u.with)) })
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
