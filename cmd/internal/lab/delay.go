package lab

import (
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// onTheWay is how many bundles a link carries in one direction before it makes
// the sender wait: at 64 KiB each, 1 GB/s at a round trip of half a second.
const onTheWay = 4096

// Delayed joins two new spaces by a link with this round trip.
func (l *Lab) Delayed(roundTrip time.Duration) (a, b *Space, err error) {
	if a, err = l.space("10.77.1.1"); err != nil {
		return nil, nil, err
	}
	if b, err = l.space("10.77.1.2"); err != nil {
		return nil, nil, err
	}
	left, err := a.tun(bundles)
	if err != nil {
		return nil, nil, err
	}
	right, err := b.tun(bundles)
	if err != nil {
		return nil, nil, errors.Join(err, left.Close())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.links = append(l.links, startLink(left, right, roundTrip/2).close)
	return a, b, nil
}

// link forwards between two TUN devices until it is closed.
type link struct {
	ends    [2]*os.File
	oneWay  time.Duration
	packets sync.Pool
	wg      sync.WaitGroup
}

type packet struct {
	due  time.Time
	n    int
	data [maxBundle]byte
}

func startLink(left, right *os.File, oneWay time.Duration) *link {
	k := &link{ends: [2]*os.File{left, right}, oneWay: oneWay}
	k.packets.New = func() any { return new(packet) }
	for i := range k.ends {
		queue := make(chan *packet, onTheWay)
		k.wg.Go(func() { k.take(k.ends[i], queue) })
		k.wg.Go(func() { k.hand(k.ends[1-i], queue) })
	}
	return k
}

func (k *link) close() error {
	err := errors.Join(k.ends[0].Close(), k.ends[1].Close())
	k.wg.Wait()
	return err
}

// take reads what one end sends until it is closed.
func (k *link) take(from *os.File, queue chan<- *packet) {
	defer close(queue)
	for {
		p := k.packets.Get().(*packet)
		n, err := from.Read(p.data[:])
		if err != nil {
			return
		}
		p.n, p.due = n, time.Now().Add(k.oneWay)
		queue <- p
	}
}

// hand gives the other end each packet when it is due. A packet that it refuses
// is lost, as on any line.
func (k *link) hand(to *os.File, queue <-chan *packet) {
	for p := range queue {
		sleepUntil(p.due)
		_, _ = to.Write(p.data[:p.n])
		k.packets.Put(p)
	}
}

// sleepUntil sleeps in the kernel: Go's own timers are a millisecond late.
func sleepUntil(due time.Time) {
	for left := time.Until(due); left > 0; left = time.Until(due) {
		ts := unix.NsecToTimespec(int64(left))
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, nil) // interrupted: the loop goes on
	}
}
