package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

// magic begins the records. A release that cannot read those of a later one says so.
const magic = "registry ipfs backup records 1\n"

// Bounds of what is read, in bytes.
const (
	maxHead  = 16 << 10
	maxKey   = 64 << 10 // the datastore takes no longer one
	maxValue = 64 << 20
)

// ErrDamaged reports records, or a manifest, that are not as they were written.
var ErrDamaged = errors.New("the backup is damaged")

// Head is what the records begin with.
type Head struct {
	ID      string    `json:"id"` // of this backup, like no other
	Peer    string    `json:"peer"`
	Release string    `json:"release"` // of the registry that wrote it
	Created time.Time `json:"created"`
}

// Record is a key of the datastore, and its value.
type Record struct {
	Key   string // not empty
	Value []byte
}

// Sum is what tells one stream of records from any other.
type Sum struct {
	Records int    `json:"records"`
	Bytes   int64  `json:"bytes"`  // of the whole stream
	SHA256  []byte `json:"sha256"` // of all but itself
}

// recordWriter writes records: the magic; the head, as JSON; keys and values, each after its length;
// a key without bytes; how many records there are; and the sum of all that.
type recordWriter struct {
	out     *bufio.Writer
	sum     hash.Hash
	records int
	bytes   int64
}

func newRecordWriter(out io.Writer, h Head) (*recordWriter, error) {
	w := &recordWriter{out: bufio.NewWriterSize(out, 1<<20), sum: sha256.New()}
	head, err := json.Marshal(h)
	if err == nil {
		err = w.write([]byte(magic))
	}
	if err == nil {
		err = w.chunk(head)
	}
	return w, err
}

func (w *recordWriter) write(b []byte) error {
	w.sum.Write(b)
	n, err := w.out.Write(b)
	w.bytes += int64(n)
	return err
}

func (w *recordWriter) chunk(b []byte) error {
	if err := w.write(binary.AppendUvarint(nil, uint64(len(b)))); err != nil {
		return err
	}
	return w.write(b)
}

// put writes a record. One that could not be read again is an error.
func (w *recordWriter) put(r Record) error {
	if r.Key == "" || len(r.Key) > maxKey || len(r.Value) > maxValue {
		return fmt.Errorf("a key of %d bytes with a value of %d cannot be written", len(r.Key), len(r.Value))
	}
	w.records++
	if err := w.chunk([]byte(r.Key)); err != nil {
		return err
	}
	return w.chunk(r.Value)
}

func (w *recordWriter) end() (Sum, error) {
	err := w.write(binary.AppendUvarint([]byte{0}, uint64(w.records)))
	s := Sum{Records: w.records, Bytes: w.bytes + sha256.Size, SHA256: w.sum.Sum(nil)}
	if err == nil {
		_, err = w.out.Write(s.SHA256)
	}
	return s, errors.Join(err, w.out.Flush())
}

// writeRecords writes the records that do puts.
func writeRecords(to io.Writer, h Head, do func(put func(Record) error) error) (sum Sum, err error) {
	w, err := newRecordWriter(to, h)
	if err == nil {
		err = do(w.put)
	}
	if err == nil {
		sum, err = w.end()
	}
	return sum, err
}

// RecordReader reads records. It takes memory for one at a time.
type RecordReader struct {
	Head Head

	in      *bufio.Reader
	sum     hash.Hash
	records int
	bytes   int64
	ended   *Sum
}

// ReadRecords begins to read records.
func ReadRecords(in io.Reader) (*RecordReader, error) {
	r := &RecordReader{in: bufio.NewReaderSize(in, 1<<20), sum: sha256.New()}
	begin, err := r.read(len(magic))
	if err == nil && string(begin) != magic {
		if bytes.HasPrefix(begin, []byte(magic[:len(magic)-2])) {
			return nil, fmt.Errorf("records of a later format: use the release that wrote them, or a later one")
		}
		err = ErrDamaged
	}
	var head []byte
	if err == nil {
		head, err = r.chunk(maxHead)
	}
	if err == nil && json.Unmarshal(head, &r.Head) != nil {
		err = ErrDamaged
	}
	if err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	return r, nil
}

// Next returns the next record; io.EOF after the last one, when all are as they were written.
func (r *RecordReader) Next() (Record, error) {
	if r.ended != nil {
		return Record{}, io.EOF
	}
	key, err := r.chunk(maxKey)
	if err == nil && len(key) == 0 {
		if err = r.finish(); err == nil {
			return Record{}, io.EOF
		}
	}
	var value []byte
	if err == nil {
		value, err = r.chunk(maxValue)
	}
	if err != nil {
		return Record{}, fmt.Errorf("read record %d: %w", r.records+1, err)
	}
	r.records++
	return Record{string(key), value}, nil
}

// each calls do with each record that is left.
func (r *RecordReader) each(do func(Record) error) error {
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = do(rec)
		}
		if err != nil {
			return err
		}
	}
}

// Sum is that of what was read, once Next has returned io.EOF.
func (r *RecordReader) Sum() Sum { return *r.ended }

func (r *RecordReader) finish() error {
	n, err := r.number()
	if err != nil {
		return err
	}
	s := Sum{Records: r.records, SHA256: r.sum.Sum(nil)}
	sum, err := r.read(sha256.Size)
	if err != nil {
		return err
	}
	if n != uint64(r.records) || !bytes.Equal(sum, s.SHA256) {
		return ErrDamaged
	}
	if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
		return errors.Join(ErrDamaged, err)
	}
	s.Bytes = r.bytes
	r.ended = &s
	return nil
}

// chunk reads what chunk wrote. Memory is taken as bytes come, not as a length says.
func (r *RecordReader) chunk(most uint64) ([]byte, error) {
	n, err := r.number()
	if err != nil {
		return nil, err
	}
	if n > most {
		return nil, ErrDamaged
	}
	return r.read(int(n))
}

func (r *RecordReader) read(n int) ([]byte, error) {
	var b bytes.Buffer
	got, err := io.CopyN(&b, r.in, int64(n))
	r.sum.Write(b.Bytes())
	r.bytes += got
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: it ends early", ErrDamaged)
	}
	return b.Bytes(), err
}

func (r *RecordReader) number() (uint64, error) {
	var b [binary.MaxVarintLen64]byte
	for i := range b {
		c, err := r.read(1)
		if err != nil {
			return 0, err
		}
		b[i] = c[0]
		if c[0] < 0x80 {
			n, used := binary.Uvarint(b[:i+1])
			if used != i+1 {
				return 0, ErrDamaged
			}
			return n, nil
		}
	}
	return 0, ErrDamaged
}
