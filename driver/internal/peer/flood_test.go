package peer_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// floodDoor has strangers at n addresses of 127.66.0.0/16 hold four silent sockets each at an
// address, and open again whatever is closed, until the test ends.
func floodDoor(t *testing.T, at string, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{}, 4*n)
	for i := range 4 * n {
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 66, byte(i%n), 1)}}
		go func() {
			defer func() { ended <- struct{}{} }()
			for ctx.Err() == nil {
				if c, err := from.DialContext(ctx, "tcp", at); err == nil {
					stop := context.AfterFunc(ctx, func() { _ = c.Close() })
					_, _ = io.Copy(io.Discard, c)
					_ = c.Close()
					stop()
				}
				select {
				case <-time.After(300 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		}()
	}
	t.Cleanup(func() {
		cancel()
		for range cap(ended) {
			<-ended
		}
	})
}

// TestAFloodFromManyAddresses does not keep out newcomers at others: most of them get in the first
// time that they try.
func TestAFloodFromManyAddresses(t *testing.T) {
	a, b := newStation(t), newStation(t)
	a.start(t, onSmall)
	floodDoor(t, tcpAddr(t, a), 40)
	eventually(t, "some are refused", func() bool { return refusals(a, limit.Handshakes, limit.Stranger) > 100 })
	const newcomers = 10
	in := 0
	for i := range newcomers {
		in += len(newKeyHolder(t, net.IPv4(127, byte(10+i), 0, 1)).connect(t, a, 1))
	}
	if in <= newcomers/2 {
		t.Errorf("%d of %d newcomers got in", in, newcomers)
	}
	b.start(t, via(a.info(t, stripped(t, a)...)))
	meet(t, a, b)
}
