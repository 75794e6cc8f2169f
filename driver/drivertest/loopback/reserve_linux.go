package loopback

import "golang.org/x/sys/unix"

// reserve takes a port on 127.0.0.2, where nothing else listens, until this process ends:
// so whoever else looks for a port sees that this one is given away. The socket is plain,
// because one of package net would be closed with its last reference.
func reserve(port int) bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	if unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 2}}) != nil {
		_ = unix.Close(fd)
		return false
	}
	return true
}
