// Package loopback finds free ports for processes that a test or a demonstration
// is about to start.
//
//	addr, err := loopback.FreeAddr() // "127.0.0.1:23517"
//
// Limits: nothing keeps the port until the process takes it.
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

// FreeAddr gives an address on 127.0.0.1 that nobody listens on now.
func FreeAddr() (string, error) {
	for range tries {
		addr := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort))
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return addr, l.Close()
		}
	}
	return "", errors.New("find a free port on loopback: all that were tried are taken")
}
