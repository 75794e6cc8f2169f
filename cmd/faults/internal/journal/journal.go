// Package journal writes down what happened when, so that a loss can be traced.
//
//	j, err := journal.Create(filepath.Join(dir, "journal"))
//	j.Note("fault", "kill %s", name)
//	err = j.Close()
//
// A line has the time, the seconds since the beginning, a kind, and what happened.
//
// Limits: what could not be written is told by Close. A Journal may be used by several
// goroutines.
package journal

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Journal is a file of lines.
type Journal struct {
	mu    sync.Mutex
	file  *os.File
	began time.Time
	err   error
}

// Create makes a journal.
func Create(path string) (*Journal, error) {
	f, err := os.Create(path)
	return &Journal{file: f, began: time.Now()}, err
}

// Note writes a line.
func (j *Journal) Note(kind, format string, args ...any) {
	now := time.Now()
	line := fmt.Sprintf("%s %9.3f %-8s %s\n", now.Format("15:04:05.000"), now.Sub(j.began).Seconds(), kind, fmt.Sprintf(format, args...))
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.WriteString(line); err != nil && j.err == nil {
		j.err = err
	}
}

// Close ends it.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Join(j.err, j.file.Close())
}
