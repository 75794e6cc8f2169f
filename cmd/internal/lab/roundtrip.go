package lab

import (
	"io"
	"net"
	"time"
)

// RoundTrip times one byte to a peer that sends it back.
func RoundTrip(c net.Conn) (time.Duration, error) {
	began := time.Now()
	b := []byte{1}
	if _, err := c.Write(b); err != nil {
		return 0, err
	}
	_, err := io.ReadFull(c, b)
	return time.Since(began), err
}
