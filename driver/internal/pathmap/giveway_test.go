package pathmap

import (
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// end is one end of a pipe, named by its member.
type end struct {
	net.Conn
	member string
}

func (e end) RemoteAddr() net.Addr { return &net.UnixAddr{Name: e.member} }

// TestWhichExchangeGivesWay to another: of its own member, or of all when there are too many,
// the one that has made no progress for longest, if that is long enough.
func TestWhichExchangeGivesWay(t *testing.T) {
	for name, c := range map[string]struct {
		slots  int
		member func(slot int) string
		newer  string // the member that comes when all slots are taken
	}{
		"of one member": {maxServedTo, func(int) string { return "a" }, "a"},
		"of all":        {maxServed, func(slot int) string { return fmt.Sprint(slot) }, "newer"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s served
				ask := func(member string) (a *answering, there net.Conn, ok bool) {
					here, there := net.Pipe()
					t.Cleanup(func() { _, _ = here.Close(), there.Close() })
					a, ok = s.admit(end{here, member})
					return a, there, ok
				}
				var all []*answering
				var there []net.Conn
				for slot := range c.slots {
					a, other, ok := ask(c.member(slot))
					if !ok {
						t.Fatalf("slot %d is refused", slot)
					}
					all, there = append(all, a), append(there, other)
				}
				time.Sleep(servedPause - 1)
				if _, _, ok := ask(c.newer); ok {
					t.Fatal("one gives way that was heard lately")
				}
				for slot, a := range all {
					if slot == 1 { // it only takes a part of what is written
						go func() { _, _ = there[slot].Read(make([]byte, 1)) }()
						go func() { _, _ = a.Write(make([]byte, 2)) }()
						continue
					}
					go func() { _, _ = there[slot].Read(make([]byte, 2)) }()
					if _, err := a.Write(make([]byte, 2)); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Nanosecond)
				if _, _, ok := ask(c.newer); !ok {
					t.Fatal("none gives way that makes no progress")
				}
				for slot, a := range all {
					_ = a.SetWriteDeadline(time.Now().Add(-1))
					if _, err := a.Write([]byte{0}); (err.Error() == "io: read/write on closed pipe") != (slot == 1) {
						t.Errorf("slot %d: %v", slot, err)
					}
				}
				if _, _, ok := ask(c.newer); ok {
					t.Error("another gives way at once")
				}
			})
		})
	}
}
