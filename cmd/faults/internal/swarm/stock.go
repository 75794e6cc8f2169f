package swarm

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Stock is the blobs on a disk: the file of each, by its digest.
type Stock map[string]string

// Stock lists the blobs on a registry's disk. Each is known by the digest of the first file of
// its name that was seen on any disk.
func (m *Member) Stock() (Stock, error) {
	dir := filepath.Join(m.Data, "blobs")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the blobs of %s: %w", m.Name, err)
	}
	stock := Stock{}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		digest, err := m.swarm.digestOf(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		stock[digest] = path
	}
	return stock, nil
}

func (s *Swarm) digestOf(path string) (string, error) {
	s.mu.Lock()
	digest, ok := s.names[filepath.Base(path)]
	s.mu.Unlock()
	if ok {
		return digest, nil
	}
	digest, err := Hash(path)
	if err == nil {
		s.mu.Lock()
		s.names[filepath.Base(path)] = digest
		s.mu.Unlock()
	}
	return digest, err
}

// Hash is the digest of a file.
func Hash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// Flip turns over one bit of a file, as a disk does: the file's dates stay.
func Flip(path string, bit int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	var b [1]byte
	at := bit / 8 % info.Size()
	if _, err := f.ReadAt(b[:], at); err != nil {
		return err
	}
	b[0] ^= 1 << (bit % 8)
	if _, err := f.WriteAt(b[:], at); err != nil {
		return err
	}
	return os.Chtimes(path, info.ModTime(), info.ModTime())
}
