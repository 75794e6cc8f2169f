package loopback

import "golang.org/x/sys/unix"

// reserve takes a port on 127.0.0.2, where nothing else listens, until this process ends, so
// that another process that looks for a port sees that this one is taken. The socket is
// plain, because one of package net would be closed with its last reference. Once bound, it
// does not keep a socket with SO_REUSEADDR, as those of package net have, from listening on
// the port, even on all addresses; a process that looks for a port does not set that option.
func reserve(port int) bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	err = unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 2}})
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	if err != nil {
		_ = unix.Close(fd)
	}
	return err == nil
}
