package sweep

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Of the kernel's include/uapi/linux/ioprio.h.
const (
	ioprioWhoProcess = 1
	ioprioIdle       = 3 << 13 // class idle, in which there are no levels
)

// lowestPriority binds the calling goroutine to a thread for the rest of its life, and gives
// that thread the idle I/O priority: it reads when nobody else wants the disk. The thread ends
// with the goroutine. The I/O schedulers bfq and mq-deadline honor that (the latter since Linux
// 5.14, and lets it wait for no longer than ten seconds); kyber and none, which is usual for NVMe,
// do not, and there only the slow pace spares the others.
func lowestPriority() {
	runtime.LockOSThread()
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, 0, ioprioIdle) // it may be forbidden
}
