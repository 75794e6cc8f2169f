package blob

import "errors"

var (
	// ErrNotFound reports that a blob or block is not on this machine.
	ErrNotFound = errors.New("not here")
	// ErrDigestMismatch reports that bytes have another digest than was promised.
	ErrDigestMismatch = errors.New("digest does not match")
	// ErrOtherBytes reports that a file is not the blob that it was said to be.
	ErrOtherBytes = errors.New("other bytes than the blob's")
	// ErrBadLeaf reports that bytes are not those of the leaf they were given for.
	ErrBadLeaf = errors.New("bytes do not match the leaf")
	// ErrNotYet reports that bytes of a partial blob have not arrived.
	ErrNotYet = errors.New("bytes have not arrived yet")
	// ErrRotten reports that the file of a blob has other bytes than were written to it.
	ErrRotten = errors.New("the copy on disk is damaged")
	// ErrPinned reports that a blob cannot be deleted now, because it is pinned.
	ErrPinned = errors.New("pinned")
	// ErrUsed reports that a blob was not deleted, because an entry names it.
	ErrUsed = errors.New("in use")
)
