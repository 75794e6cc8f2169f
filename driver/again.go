package driver

import (
	"context"

	lru "github.com/hashicorp/golang-lru/v2"
)

// again is an upload whose end was refused when its bytes had become a blob already, for example
// because that was on too few disks. For its client it is what it was before that request: bytes that
// came with it come again when the client repeats it, and are not written.
type again struct {
	upload
	at   int64 // bytes that the client has sent
	over bool
}

// Size implements storagedriver.FileWriter.
func (u *again) Size() int64 { return u.at }

// Write implements io.Writer. What comes is not compared: distribution checks the digest and the
// size of all that its client sent, and the file has both.
func (u *again) Write(b []byte) (int, error) {
	u.at += int64(len(b))
	return len(b), nil
}

// Commit implements storagedriver.FileWriter.
func (u *again) Commit(ctx context.Context) error {
	u.over = true
	return u.upload.Commit(ctx)
}

// Close implements storagedriver.FileWriter.
func (u *again) Close() error {
	if !u.over {
		u.s.returned.note(u.file, u.at)
	}
	return u.upload.Close()
}

// maxReturned is how many such uploads are remembered, the last ones. The client of one that is not,
// also after a restart, is told that all of its bytes are there.
const maxReturned = 1024

// returned are the uploads whose end was refused, by their files: how many bytes each had before.
// It is safe for concurrent use.
type returned struct{ of *lru.Cache[string, int64] }

func newReturned() returned {
	of, _ := lru.New[string, int64](maxReturned) // fails for no size but 0
	return returned{of}
}

func (r returned) note(file string, size int64) { r.of.Add(file, size) }

// take returns and forgets the size before the refusal of an upload that has size bytes now.
func (r returned) take(file string, size int64) (before int64, ok bool) {
	before, ok = r.of.Get(file)
	r.of.Remove(file)
	return before, ok && before < size
}
