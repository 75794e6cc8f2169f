package sweep

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func ioPriority(t *testing.T) uintptr {
	t.Helper()
	priority, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, ioprioWhoProcess, 0, 0)
	require.Zero(t, errno)
	return priority
}

// TestTheScrubReadsAtIdlePriority, and nobody else does.
func TestTheScrubReadsAtIdlePriority(t *testing.T) {
	usual := ioPriority(t)
	require.NotEqual(t, uintptr(ioprioIdle), usual)
	idle := make(chan uintptr)
	go func() {
		lowestPriority()
		idle <- ioPriority(t)
	}()
	require.Equal(t, uintptr(ioprioIdle), <-idle)
	for range 100 {
		after := make(chan uintptr)
		go func() { after <- ioPriority(t) }()
		require.Equal(t, usual, <-after, "a thread kept the priority")
	}
}
