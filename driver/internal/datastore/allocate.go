package datastore

import (
	"fmt"
	"os"
)

func writeZeros(f *os.File, n int64) error {
	zeros := make([]byte, 1<<20)
	for n > 0 {
		w, err := f.Write(zeros[:min(int64(len(zeros)), n)])
		if err != nil {
			return fmt.Errorf("fill: %w", err)
		}
		n -= int64(w)
	}
	return nil
}
