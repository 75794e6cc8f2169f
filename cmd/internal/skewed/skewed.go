// Package skewed builds programs whose clock is wrong by as much as the environment says.
//
//	err := skewed.Build(ctx, "./cmd/registry", binary)
//	cmd.Env = append(os.Environ(), skewed.Env(3*24*time.Hour))
//
// It gives them a time.Now of their own, because Go asks the kernel past libraries like
// libfaketime, and a time namespace does not move the wall clock.
//
// Limits: the clock is wrong from the program's start on and does not jump while it runs;
// monotonic time is right. All of the program is built anew the first time, which takes
// minutes, and needs Go's toolchain. The dates of files are the kernel's.
package skewed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const variable = "REGISTRY_TEST_SKEW" // seconds

// Env has a program believe that it is so much later, in whole seconds.
func Env(by time.Duration) string { return fmt.Sprintf("%s=%d", variable, int64(by/time.Second)) }

// Build builds the package of main as the file binary.
func Build(ctx context.Context, main, binary string) (err error) {
	dir, err := os.MkdirTemp("", "skewed-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	overlay, err := writeOverlay(ctx, dir)
	if err != nil {
		return fmt.Errorf("build with another clock: %w", err)
	}
	if out, err := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-o", binary, main).CombinedOutput(); err != nil {
		return fmt.Errorf("build with another clock: %w: %s", err, out)
	}
	return nil
}

// writeOverlay writes what replaces parts of package time.
func writeOverlay(ctx context.Context, dir string) (file string, err error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	std := filepath.Join(strings.TrimSpace(string(out)), "src", "time")
	text, err := os.ReadFile(filepath.Join(std, "time.go"))
	if err != nil {
		return "", err
	}
	const reads = "\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(text), reads) == 0 {
		return "", errors.New("time.Now reads the clock in another way than this package knows")
	}
	clock, skew := filepath.Join(dir, "time.go"), filepath.Join(dir, "skew.go")
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(std, "time.go"): clock, filepath.Join(std, "skew.go"): skew,
	}})
	file = filepath.Join(dir, "overlay.json")
	return file, errors.Join(err,
		os.WriteFile(clock, []byte(strings.ReplaceAll(string(text), reads, reads+"\tsec += skew\n")), 0o600),
		os.WriteFile(skew, []byte(source), 0o600),
		os.WriteFile(file, overlay, 0o600))
}

const source = `package time

import "syscall"

var skew = readSkew()

func readSkew() (seconds int64) {
	text, _ := syscall.Getenv("` + variable + `")
	for _, c := range text {
		if c != '-' {
			seconds = 10*seconds + int64(c-'0')
		}
	}
	if len(text) > 0 && text[0] == '-' {
		return -seconds
	}
	return seconds
}
`
