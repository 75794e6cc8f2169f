// Package loopback finds free ports for processes that a test or a demonstration
// is about to start.
//
//	addr, err := loopback.FreeAddr() // "127.0.0.1:23517"
//
// Limits: nothing but this package keeps a port until the process takes it. On Linux nobody
// is given a port by this package, also in another process, that this process was given;
// elsewhere two that look at the same time can be given the same.
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
