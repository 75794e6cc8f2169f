package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// untouched is how much memory touchMemory leaves alone, in bytes.
const untouched = 2 << 30

// touchMemory touches the free memory before a section is measured. A virtual machine may get
// its memory from the host only at that moment, page by page, and give it back after a while;
// the first measurement would pay for that (18 GiB took 48 s instead of 14). It reads a sparse
// file, which fills the page cache and takes no disk. The file stays until the end, so that
// the memory stays in use.
func (b *bench) touchMemory(ctx context.Context) (err error) {
	f, err := os.CreateTemp(b.dir, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size := max(0, freeMemory()-untouched)
	if err := f.Truncate(size); err != nil {
		return err
	}
	for buf := make([]byte, 1<<20); err == nil && ctx.Err() == nil; {
		_, err = f.Read(buf)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, ctx.Err())
}

// freeMemory is in bytes; 0 where that is not known.
func freeMemory() (bytes int64) {
	b, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(b)) {
		if n, _ := fmt.Sscanf(line, "MemFree: %d kB", &bytes); n == 1 {
			return bytes << 10
		}
	}
	return 0
}
