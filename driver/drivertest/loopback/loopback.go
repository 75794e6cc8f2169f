// Package loopback finds free ports for processes that a test or a demonstration
// is about to start.
//
//	addr, err := loopback.FreeAddr() // "127.0.0.1:23517"
//
// Limits: another program may take a port before the process does. On Linux this package
// gives no port to two processes that use it; elsewhere two that look at the same time may
// be given the same one.
package loopback

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports below those the system gives to outgoing connections, which would take a
// port between the moment it is found and the moment it is used.
const (
	firstPort = 12000
	lastPort  = 30000
	tries     = 200
)

// FreeAddr gives an address on 127.0.0.1 that nobody listens on now. It is this process's
// until it ends.
func FreeAddr() (string, error) {
	for range tries {
		port := firstPort + rand.IntN(lastPort-firstPort)
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		l, err := net.Listen("tcp", addr)
		if err == nil && l.Close() == nil && reserve(port) {
			return addr, nil
		}
	}
	return "", errors.New("find a free port on loopback: all that were tried are taken")
}
