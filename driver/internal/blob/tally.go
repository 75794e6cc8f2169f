package blob

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// tally is the sums of the leaves of an upload, as it grows.
type tally struct {
	function dag.Function
	sums     []byte // of the leaves that are full
	leaf     hash.Hash
	fill     int64  // bytes in leaf
	run      string // the store's run that hashed all of it
	reread   bool   // bytes without a note were read back: they may differ from those that came
}

func newTally(f dag.Function) *tally { return &tally{function: f, leaf: f.New()} }

// add hashes the bytes that follow.
func (l *tally) add(b []byte) {
	for len(b) > 0 {
		n := min(int64(len(b)), dag.LeafSize-l.fill)
		l.leaf.Write(b[:n]) // a hash never fails
		b = b[n:]
		if l.fill += n; l.fill == dag.LeafSize {
			l.sums = l.leaf.Sum(l.sums)
			l.leaf.Reset()
			l.fill = 0
		}
	}
}

// all are the sums of all leaves, were this the end.
func (l *tally) all() []byte {
	if l.fill > 0 || len(l.sums) == 0 {
		return l.leaf.Sum(append([]byte(nil), l.sums...))
	}
	return l.sums
}

// full is where the first leaf that is not full begins.
func (l *tally) full() int64 { return int64(len(l.sums)) / dag.SumSize * dag.LeafSize }

// read takes from a file of that size the bytes of the leaf that is not full, and all after
// it.
func (l *tally) read(file io.ReaderAt, size int64) error {
	from := l.full()
	n, err := io.Copy(l, io.NewSectionReader(file, from, size-from))
	if err == nil && n != size-from {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Write implements io.Writer.
func (l *tally) Write(b []byte) (int, error) {
	l.add(b)
	return len(b), nil
}

const knownVersion = 3

// known is the note beside an upload's file that holds its tally, as JSON. It is written
// after the file was synced, so that it never knows more than the disk holds.
type known struct {
	Version  int    `json:"version"`
	Size     int64  `json:"size"`
	ModTime  int64  `json:"mod_time"` // nanoseconds
	Inode    uint64 `json:"inode"`
	Function string `json:"function"`
	Sums     []byte `json:"sums"` // of each leaf
	Reread   bool   `json:"reread,omitempty"`
	Run      string `json:"run,omitempty"` // of the store that hashed all of it
	Check    []byte `json:"check"`         // sha2-256 of the same JSON without this

	unsynced bool // the disk may lose the file's bytes: kept in memory only
}

// encode gives the JSON, with its check.
func (k *known) encode() ([]byte, error) {
	k.Check = nil
	b, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	k.Check = sum[:]
	return json.Marshal(k)
}

var errUnknown = errors.New("nothing is known of the file")

// UploadNote is the path of the note on an upload's file, which lies beside it.
func UploadNote(file string) string {
	return filepath.Join(filepath.Dir(file), notePrefix+filepath.Base(file)+noteSuffix)
}

const notePrefix, noteSuffix = ".", ".leaves"

// IsUploadNote reports whether a path is that of such a note: no component of the registry's
// own paths begins with a dot.
func IsUploadNote(path string) bool {
	name := filepath.Base(path)
	return strings.HasPrefix(name, notePrefix) && strings.HasSuffix(name, noteSuffix)
}

// know returns what is known of a file that is synced.
func (l *tally) know(info os.FileInfo) *known {
	return &known{
		Version: knownVersion, Size: info.Size(), ModTime: info.ModTime().UnixNano(), Inode: inode(info),
		Function: l.function.String(), Sums: l.all(), Reread: l.reread, Run: l.run,
	}
}

func inode(info os.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

// write puts it beside its file, whole or not at all.
func (k *known) write(file string) error {
	b, err := k.encode()
	if err != nil {
		return fmt.Errorf("keep hashes: %w", err)
	}
	fresh := UploadNote(file + ".new")
	if err := os.WriteFile(fresh, b, 0o600); err != nil {
		return fmt.Errorf("keep hashes: %w", errors.Join(err, removeFiles(fresh)))
	}
	if err := os.Rename(fresh, UploadNote(file)); err != nil {
		return fmt.Errorf("keep hashes: %w", err)
	}
	return nil
}

// readKnown reads what is known of a file that info describes. Any error means that the
// file has to be read again.
func readKnown(file string) (*known, error) {
	b, err := os.ReadFile(UploadNote(file))
	if err != nil {
		return nil, err
	}
	k := &known{}
	if err := json.Unmarshal(b, k); err != nil {
		return nil, err
	}
	if _, ok := dag.ParseFunction(k.Function); !ok || k.Version != knownVersion {
		return nil, errUnknown
	}
	if again, err := k.encode(); err != nil || !bytes.Equal(again, b) {
		return nil, errUnknown // damaged
	}
	return k, nil
}

// describes reports whether the file is still the one that was hashed.
func (k *known) describes(info os.FileInfo) bool {
	return k.Size == info.Size() && k.ModTime == info.ModTime().UnixNano() && k.Inode == inode(info) &&
		len(k.Sums) == dag.Profile().Leaves(k.Size)*dag.SumSize
}

// function is the one the leaves were hashed with.
func (k *known) function() dag.Function {
	f, _ := dag.ParseFunction(k.Function) // readKnown refuses others
	return f
}

// tally is the state from which hashing goes on, without the last leaf when that is not
// full.
func (k *known) tally() *tally {
	t := newTally(k.function())
	t.sums = slices.Clip(k.Sums[:k.Size/dag.LeafSize*dag.SumSize]) // k stays as it is
	t.reread, t.run = k.Reread, k.Run
	return t
}
