package fleet

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
)

// Proc is the ID of a process that the bench has started.
type Proc int

// clockTick is the unit of CPU time in /proc, the same on every Linux.
const clockTick = 10 * time.Millisecond

func (p Proc) file(name string) string {
	return fmt.Sprintf("/proc/%d/%s", p, name)
}

// CPU is the user and system time it has taken so far.
func (p Proc) CPU() time.Duration {
	b, err := os.ReadFile(p.file("stat"))
	if err != nil {
		return 0
	}
	// The name in parentheses may hold spaces; utime and stime are fields 14 and 15.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * clockTick
}

// CPUOf is what several have taken together.
func CPUOf(ps ...Proc) (sum time.Duration) {
	for _, p := range ps {
		sum += p.CPU()
	}
	return sum
}

// Anonymous is how many bytes of memory it has that are no file's.
func (p Proc) Anonymous() uint64 {
	f, err := os.Open(p.file("status"))
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "RssAnon:"); ok {
			kib, _ := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// Sent is how many bytes have left its namespace by the lab's device, headers of
// frames included.
func (p Proc) Sent() uint64 {
	b, err := os.ReadFile(p.file("net/dev"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); f[0] == lab.Device+":" {
			n, _ := strconv.ParseUint(f[9], 10, 64)
			return n
		}
	}
	return 0
}
