package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

const (
	manifestName = "backup.json"
	maxManifest  = 64 << 10 // bytes
	format       = 1
)

// ErrNone reports that a directory holds no whole backup.
var ErrNone = errors.New("no whole backup")

// Manifest says what a backup is.
type Manifest struct {
	Format  int   `json:"format"`
	Head          // as the records have it
	Sum     Sum   `json:"map"`      // of the records
	MapOnly bool  `json:"map_only"` // there are no blobs in it
	Blobs   int   `json:"blobs"`    // that belong to it
	Bytes   int64 `json:"bytes"`    // of these
	Missing int   `json:"missing"`  // blobs that were on the disk, and could not be read
}

func parseManifest(b []byte) (m Manifest, err error) {
	if json.Unmarshal(b, &m) != nil || m.Format < 1 || !isID(m.ID) {
		return Manifest{}, fmt.Errorf("%s: %w", manifestName, ErrDamaged)
	}
	if m.Format > format {
		return Manifest{}, fmt.Errorf("%s: of format %d: use the release that wrote it (%.64q), or a later one", manifestName, m.Format, m.Release)
	}
	return m, nil
}

// matches fails with ErrDamaged when records, all of which were read, are not those of the manifest.
func (m Manifest) matches(r *RecordReader) error {
	got := r.Sum()
	if r.Head.ID != m.ID || r.Head.Peer != m.Peer || got.Records != m.Sum.Records || !bytes.Equal(got.SHA256, m.Sum.SHA256) {
		return fmt.Errorf("the records are not those of %s: %w", manifestName, ErrDamaged)
	}
	return nil
}

// readManifest reads that of a directory; ErrNone when there is none.
func readManifest(root *os.Root) (Manifest, error) {
	f, err := root.Open(manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, ErrNone
	}
	if err != nil {
		return Manifest{}, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return Manifest{}, err
	}
	return parseManifest(b)
}

// isID reports whether an ID is one, so that a file can be named by it: rand.Text makes such.
func isID(id string) bool {
	for _, c := range id {
		if (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return false
		}
	}
	return len(id) >= 16 && len(id) <= 64
}
