package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const mib = 1 << 20

// memory is what a process has for itself, in bytes: RssAnon of proc(5), which files that are
// mapped do not count towards.
func memory(pid int) (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kib int64
		if n, _ := fmt.Sscanf(lines.Text(), "RssAnon: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("memory of process %d: there is no RssAnon", pid)
}

// sockets is how many a process has open.
func sockets(pid int) (n int, err error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if to, err := os.Readlink(dir + "/" + e.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n, err
}

// figures are those of all registries, by their place; of one that has died they are 0.
type figures struct {
	memory  [members]int64
	sockets [members]int
}

func (s *swarm) figures() (f figures) {
	for i, r := range s.members() {
		f.memory[i], _ = memory(r.PID())
		f.sockets[i], _ = sockets(r.PID())
	}
	return f
}

// watch notes the most memory and sockets there were until ctx ends.
func (s *swarm) watch(ctx context.Context) (most figures) {
	look := time.NewTicker(500 * time.Millisecond)
	defer look.Stop()
	for {
		f := s.figures()
		for i := range members {
			most.memory[i] = max(most.memory[i], f.memory[i])
			most.sockets[i] = max(most.sockets[i], f.sockets[i])
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return most
		}
	}
}

// above is the most by which a registry has more than before.
func (f figures) above(before figures) (memory int64, sockets int) {
	for i := range members {
		memory = max(memory, f.memory[i]-before.memory[i])
		sockets = max(sockets, f.sockets[i]-before.sockets[i])
	}
	return memory, sockets
}

// most is the greatest of each.
func (f figures) most() (memory int64, sockets int) { return f.above(figures{}) }

// worked is the processor time that this process has had.
func worked() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// tick is the unit of proc(5): it is the same on all machines for which Go is built.
const tick = time.Second / 100

// worked is the processor time that the registries have had, but for those that have died.
func (s *swarm) worked() (all time.Duration) {
	for _, r := range s.members() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.PID()))
		_, rest, ok := strings.Cut(string(b), ") ") // behind the name of the program
		fields := strings.Fields(rest)
		if err != nil || !ok || len(fields) < 13 {
			continue
		}
		for _, f := range fields[11:13] { // utime, stime
			n, _ := strconv.ParseInt(f, 10, 64)
			all += time.Duration(n) * tick
		}
	}
	return all
}
