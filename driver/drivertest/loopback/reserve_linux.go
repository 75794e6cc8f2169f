package loopback

import "golang.org/x/sys/unix"

// reserve takes a port on 127.0.0.2, where nothing else listens, until this process ends:
// so whoever else looks for a port sees that this one is given away. The socket is plain,
// because one of package net would be closed with its last reference. Once it is bound it
// lets those listen on the port who say that they reuse addresses, as package net does,
// also on all addresses; who looks for a port does not say so.
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
