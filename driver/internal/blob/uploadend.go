package blob

import (
	"cmp"
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

// Cancel removes the file, and ends whoever else writes it.
func (u *Upload) Cancel() error {
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
	_ = u.release()
	u.fault = cmp.Or(u.fault, fault)
	return u.fault
}

// release gives back goroutines, memory and the file, and its place to others. After
// a fault that is done already.
func (u *Upload) release() error {
	if u.fault != nil {
		return nil
	}
	if u.flow != nil {
		_ = u.flow.end() // settle has said what is to be said
	}
	if u.piece != nil {
		u.piece.free()
		u.piece = nil
	}
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
	return u.tally.know(info).write(u.file.Name())
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
	return err
}
