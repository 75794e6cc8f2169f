package sweep

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// errDamaged reports that a file is not as it was written.
var errDamaged = errors.New("it is damaged")

// readSummed reads a file of replaceSummed that has no more than most bytes.
func readSummed(file string, most int64, content any) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if info, err := f.Stat(); err != nil || info.Size() > most {
		return errors.Join(fmt.Errorf("it has more than %d bytes", most), err)
	}
	b, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return err
	}
	sum, b, _ := bytes.Cut(b, []byte("\n"))
	if string(sum) != sumOf(b) {
		return errDamaged
	}
	return json.Unmarshal(b, content)
}

// replaceSummed writes a file whole or not at all: the sum of what follows, in a line of its own,
// and then content as JSON.
func replaceSummed(file string, content any) error {
	b, err := json.Marshal(content)
	if err != nil {
		return err
	}
	fresh := file + ".new"
	if err := os.WriteFile(fresh, append([]byte(sumOf(b)+"\n"), b...), 0o600); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", filepath.Base(file), err), os.Remove(fresh))
	}
	return os.Rename(fresh, file)
}

func sumOf(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
