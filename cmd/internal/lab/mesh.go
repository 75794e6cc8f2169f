package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
)

// Mesh is spaces that all reach each other, by a forwarder in this process that can be told to
// lose packets.
type Mesh struct {
	Spaces []*Space

	ends  []*os.File
	fault atomic.Pointer[Fault]
	wg    sync.WaitGroup
}

// Fault is what a mesh does to packets from one space to another, which are named by their
// place in Spaces. The zero Fault is a sound network.
type Fault struct {
	Cut func(from, to int) bool // loses all of them; it is called by several goroutines
	// Loss is the share of packets that is lost, Burst that in bursts, which are a tenth of
	// the time and last for ten packets or so.
	Loss, Burst float64
}

const (
	meshNet    = "10.77.3."
	mtu        = 1500
	burstBegin = 0.011 // of the packets outside a burst
	burstEnd   = 0.1   // of those within
)

// Mesh joins n new spaces, up to 250.
func (l *Lab) Mesh(n int) (*Mesh, error) {
	m := &Mesh{}
	m.Set(Fault{})
	l.mu.Lock()
	l.links = append(l.links, m.close)
	l.mu.Unlock()
	for i := range n {
		s, err := l.space(fmt.Sprintf("%s%d", meshNet, i+1))
		if err != nil {
			return nil, err
		}
		end, err := s.tun(single)
		if err != nil {
			return nil, err
		}
		m.Spaces, m.ends = append(m.Spaces, s), append(m.ends, end)
	}
	for i := range n {
		m.wg.Go(func() { m.forward(i) })
	}
	return m, nil
}

// Set changes what becomes of the packets from now on.
func (m *Mesh) Set(f Fault) { m.fault.Store(&f) }

func (m *Mesh) close() error {
	var errs []error
	for _, end := range m.ends {
		errs = append(errs, end.Close())
	}
	m.wg.Wait()
	return errors.Join(errs...)
}

// forward hands on what one space sends, until its device is closed.
func (m *Mesh) forward(from int) {
	inBurst := make([]bool, len(m.ends))
	var packet [mtu]byte
	for {
		n, err := m.ends[from].Read(packet[:])
		if err != nil {
			return
		}
		to, ok := m.receiver(packet[:n])
		if !ok || m.fault.Load().loses(from, to, &inBurst[to]) {
			continue
		}
		_, _ = m.ends[to].Write(packet[:n]) // what is refused is lost, as on any line
	}
}

// receiver reads for whom a packet is: IPv4's destination ends at byte 20.
func (m *Mesh) receiver(packet []byte) (int, bool) {
	if len(packet) < 20 || packet[0]>>4 != 4 {
		return 0, false
	}
	to := int(packet[19]) - 1
	return to, to >= 0 && to < len(m.ends)
}

// loses draws whether a packet is lost, by the model of Gilbert and Elliott.
func (f *Fault) loses(from, to int, inBurst *bool) bool {
	if f.Cut != nil && f.Cut(from, to) {
		return true
	}
	turn, share := burstBegin, f.Loss
	if *inBurst {
		turn, share = burstEnd, f.Burst
	}
	if rand.Float64() < turn {
		*inBurst = !*inBurst
	}
	return rand.Float64() < share
}
