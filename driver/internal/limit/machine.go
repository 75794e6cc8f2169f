package limit

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/pbnjay/memory"
	"golang.org/x/sys/unix"
)

// Machine is what this process may have.
type Machine struct {
	Memory      int64 // bytes
	Descriptors int   // files and sockets
}

const (
	leastNetwork = 512 << 20
	// WindowUnit is libp2p's least window of a stream, in bytes.
	WindowUnit = 256 << 10
)

// Network is how many bytes that are on their way the network may take of the memory.
func (m Machine) Network() int64 { return max(m.Memory/2, leastNetwork) }

// ThisMachine reads what this process may have: the least of the machine's memory, what its
// control groups leave it, and GOMEMLIMIT; and as many descriptors as it may open.
func ThisMachine() Machine {
	m := Machine{Memory: debug.SetMemoryLimit(-1), Descriptors: 1024}
	if total := memory.TotalMemory(); total > 0 && total < math.MaxInt64 {
		m.Memory = min(m.Memory, int64(total))
	}
	if own, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		m.Memory = min(m.Memory, groupMemory("/sys/fs/cgroup", own))
	}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err == nil {
		m.Descriptors = int(min(files.Cur, 1<<30))
	}
	return m
}

// groupMemory is the least memory.max of a control group (version 2) and those above it; own is
// what /proc/self/cgroup says (https://docs.kernel.org/admin-guide/cgroup-v2.html).
func groupMemory(root string, own []byte) int64 {
	least := int64(math.MaxInt64)
	lines := bufio.NewScanner(bytes.NewReader(own))
	for lines.Scan() {
		group, ok := strings.CutPrefix(lines.Text(), "0::")
		if !ok {
			continue
		}
		for dir := filepath.Clean("/" + group); ; dir = filepath.Dir(dir) {
			if b, err := os.ReadFile(filepath.Join(root, dir, "memory.max")); err == nil {
				if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 {
					least = min(least, n)
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	return least
}
