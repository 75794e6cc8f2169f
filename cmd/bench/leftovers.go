package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const dirPrefix = "registry-bench-"

// workDir makes a directory for this run, and removes those of runs that were
// killed: they are named by their process.
func workDir() (string, error) {
	old, err := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	if err != nil {
		return "", err
	}
	for _, dir := range old {
		var pid int
		name := strings.TrimPrefix(filepath.Base(dir), dirPrefix)
		if n, _ := fmt.Sscanf(name, "pid%d-", &pid); n == 1 && syscall.Kill(pid, 0) != nil {
			if err := os.RemoveAll(dir); err != nil {
				return "", fmt.Errorf("remove what an earlier run left: %w", err)
			}
		}
	}
	return os.MkdirTemp("", fmt.Sprintf("%spid%d-", dirPrefix, os.Getpid()))
}
