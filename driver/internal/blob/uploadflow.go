package blob

import (
	"os"
	"sync"
	"sync/atomic"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
)

const (
	pieceSize   = 128 << 10
	piecesAhead = 3 // that wait for each of the two goroutines
)

// piece is some bytes of an upload.
type piece struct {
	mem    *[pieceSize]byte
	bytes  []byte
	offset int64
	users  atomic.Int32
}

var pieceMemory = sync.Pool{New: func() any { return new([pieceSize]byte) }}

func newPiece(offset int64) *piece {
	mem := pieceMemory.Get().(*[pieceSize]byte)
	c := &piece{mem: mem, bytes: mem[:0], offset: offset}
	c.users.Store(1)
	return c
}

// fill takes what there is room for.
func (c *piece) fill(b []byte) int {
	n := min(len(b), pieceSize-len(c.bytes))
	c.bytes = append(c.bytes, b[:n]...)
	return n
}

func (c *piece) full() bool { return len(c.bytes) == pieceSize }

// free is called once by each user.
func (c *piece) free() {
	if c.users.Add(-1) == 0 {
		pieceMemory.Put(c.mem)
	}
}

// flow takes the pieces of one upload, in order: one goroutine writes them and another
// hashes leaves, while the sender goes on. The caller that started it ends it.
type flow struct {
	takers []chan *piece
	wg     sync.WaitGroup
	stop   sync.Once
	failed atomic.Pointer[error]
}

// startFlow starts it; write is given the same pieces as t.
func startFlow(write func(*piece) error, t *tally) *flow {
	f := &flow{}
	for _, take := range []func(*piece) error{
		write,
		func(c *piece) error { t.add(c.bytes); return nil },
	} {
		pieces := make(chan *piece, piecesAhead)
		f.takers = append(f.takers, pieces)
		f.wg.Go(func() { f.run(pieces, take) })
	}
	return f
}

func (f *flow) run(pieces <-chan *piece, take func(*piece) error) {
	for c := range pieces {
		if f.err() == nil {
			if err := take(c); err != nil {
				f.failed.CompareAndSwap(nil, &err)
			}
		}
		c.free()
	}
}

// err is the first failure of either; after it nothing more is done.
func (f *flow) err() error {
	if err := f.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// send waits while too many pieces are under way.
func (f *flow) send(c *piece) error {
	c.users.Store(int32(len(f.takers)))
	for _, t := range f.takers {
		t <- c
	}
	return f.err()
}

// end waits until everything is done. Nothing can be sent after it; it may be called
// again.
func (f *flow) end() error {
	f.stop.Do(func() {
		for _, t := range f.takers {
			close(t)
		}
	})
	f.wg.Wait()
	return f.err()
}

// writeTo writes pieces to a file, and makes the system begin to write them to disk early,
// so that the sync at the end need not wait for all of it.
func (s *Store) writeTo(file *os.File, claim *room.Claim) func(*piece) error {
	var from int64 = -1
	return func(c *piece) error {
		if from < 0 {
			from = c.offset
		}
		if _, err := file.WriteAt(c.bytes, c.offset); err != nil {
			return err
		}
		claim.Spend(int64(len(c.bytes)))
		if to := c.offset + int64(len(c.bytes)); to-from >= writebackSize {
			beginWriteback(file, from, to-from)
			from = to
		}
		return nil
	}
}

// writebackSize is how many bytes are given to the disk at once.
const writebackSize = 8 << 20
