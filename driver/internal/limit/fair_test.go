package limit_test

import (
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// floods are addresses from which strangers flood, and of newcomers who are to get in all the same.
var floods = map[string]struct {
	from      iter.Seq[string]
	newcomers []string
}{
	"addresses all over the place": {
		addresses("%d.0.2.1", 100), []string{"198.51.100.1", "2001:db8::1"},
	},
	"sites of one network": {
		addresses("192.0.%d.1", 200), []string{"198.51.100.1", "192.0.250.1"},
	},
	"addresses of one site": {
		addresses("192.0.2.%d", 200), []string{"198.51.100.1", "192.0.3.1"},
	},
	"a few addresses of one site": {
		addresses("192.0.2.%d", 5), []string{"198.51.100.1", "192.0.3.1", "192.0.2.99"},
	},
	"sites of IPv6 of one provider": {
		addresses("2001:db8:%x::1", 1000), []string{"2001:db9::1", "198.51.100.1"},
	},
	"networks of one site of IPv6": {
		addresses("2001:db8:0:%x::1", 1000), []string{"2001:db9::1", "2001:db8:ffff::1"},
	},
}

// addresses are so many, by a format that takes one number.
func addresses(format string, n int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range n {
			if !yield(fmt.Sprintf(format, i+1)) {
				return
			}
		}
	}
}

// TestThereIsRoomForNewcomers while strangers take all that they are let have.
func TestThereIsRoomForNewcomers(t *testing.T) {
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) {
			b := limit.NewBound(limit.Table(limit.Machine{Memory: 1 << 30, Descriptors: 1 << 16})[limit.Handshakes], silent())
			for refused := false; !refused; {
				refused = true
				for a := range flood.from {
					if _, ok := b.Enter(from("", a, limit.Stranger)); ok {
						refused = false
					}
				}
			}
			for _, a := range flood.newcomers {
				leave, ok := b.Enter(from("", a, limit.Stranger))
				if !ok {
					t.Errorf("%s is refused, with %d in", a, b.Len())
				}
				leave()
			}
			for range 64 { // of a member's address
				if _, ok := b.Enter(from("", "192.0.2.1", limit.Member)); !ok {
					t.Fatal("a member is refused")
				}
			}
		})
	}
}

// TestNewcomersHaveTheirTurn while strangers come as often as they are let.
func TestNewcomersHaveTheirTurn(t *testing.T) {
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := limit.NewRate(limit.RateTable(limit.Machine{})[limit.Arrivals], silent())
				came, refused := 0, 0
				for range 20 { // 10,000 a second
					time.Sleep(200 * time.Millisecond)
					for n := 0; n < 2000; {
						for a := range flood.from {
							if n++; r.Allow(from("", a, limit.Stranger), 1) {
								came++
							} else {
								refused++
							}
						}
					}
				}
				if came < 2000 || refused < came {
					t.Errorf("%d strangers came, and %d were refused", came, refused)
				}
				for _, a := range flood.newcomers {
					if !r.Allow(from("", a, limit.Stranger), 1) {
						t.Error(a, "is refused")
					}
				}
			})
		})
	}
}

// TestOneAddressHasWhatOthersDoNotWant: newcomers behind one address may be many at once, in peace.
func TestOneAddressHasWhatOthersDoNotWant(t *testing.T) {
	m := limit.Machine{Memory: 1 << 30, Descriptors: 1 << 16}
	b := limit.NewBound(limit.Table(m)[limit.Handshakes], silent())
	r := limit.NewRate(limit.RateTable(m)[limit.Arrivals], silent())
	for i := range 100 {
		if _, ok := b.Enter(from("", "192.0.2.1", limit.Stranger)); !ok {
			t.Fatalf("handshake %d is refused", i)
		}
	}
	if n := allowed(r, from("", "192.0.2.1", limit.Stranger), 1000); n < 1000 {
		t.Errorf("%d of 1000 arrive at once", n)
	}
}

// TestFairBoundsForget whoever has left.
func TestFairBoundsForget(t *testing.T) {
	b := limit.NewBound(limit.Bounds{Total: 100, Fair: true}, silent())
	for a := range addresses("192.0.2.%d", 50) {
		if leave, ok := b.Enter(from("", a, limit.Stranger)); ok {
			defer func() {
				if leave(); b.Len() == 0 && b.Sources() != 0 {
					t.Errorf("%d are remembered", b.Sources())
				}
			}()
		}
	}
}
