package lab

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const (
	tunDevice = "/dev/net/tun"
	// maxBundle is the most that one read of a TUN device gives: a bundle of
	// segments and the virtio header before it.
	maxBundle = 1<<16 + 10
	// tunQueue is how many packets wait in the kernel for the forwarder; the
	// system's 500 are dropped too soon.
	tunQueue = "10000"
	// Device is the name that the device of a link has in its space.
	Device = "eth0"
)

// What one read of a TUN device gives, and one write takes.
const (
	single  = unix.IFF_TUN | unix.IFF_NO_PI // a packet
	bundles = single | unix.IFF_VNET_HDR    // a bundle of segments
)

// tun makes a TUN device in the space and brings it up.
func (s *Space) tun(kind uint16) (f *os.File, err error) {
	err = s.within(func() error {
		f, err = openTun(kind)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make a TUN device: %w", err)
	}
	for _, args := range [][]string{
		{"link", "set", Device, "txqueuelen", tunQueue},
		{"addr", "add", s.addr + "/24", "dev", Device},
		{"link", "set", Device, "up"},
	} {
		if err := s.ip(args...); err != nil {
			_ = f.Close()
			return nil, err
		}
	}
	return f, nil
}

// openTun makes the device in the namespace of the calling thread. Reads of it
// end when it is closed.
func openTun(kind uint16) (*os.File, error) {
	fd, err := unix.Open(tunDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	req, err := unix.NewIfreq(Device)
	if err == nil {
		req.SetUint16(kind)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err == nil && kind == bundles {
		err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM|unix.TUN_F_TSO4|unix.TUN_F_TSO6)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), tunDevice), nil
}
