package pathmap_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime/metrics"
	"strconv"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// BenchmarkJoin has a newcomer join by state and by history, both of one member, on a registry's
// datastore: PATHS (100,000) of as many changes of five paths each, and 1,000 tags that were
// overwritten as often as there are paths, 50 at once. What comes from the member comes 20 ms late.
func BenchmarkJoin(b *testing.B) {
	paths := pathsOr(100_000)
	for name, fill := range map[string]func(testing.TB, *seat, int){"paths": fillPaths, "overwrites": fillTags} {
		b.Run(name, func(b *testing.B) {
			f := newFabric(b)
			f.states.Store(true)
			f.wrap = func(_ peer.ID, c net.Conn) net.Conn { return late(c, 20*time.Millisecond) }
			a := f.add("a")
			fill(b, a, paths)
			join := func(b *testing.B, name string, state bool) {
				for n := range b.N {
					f.states.Store(state)
					a.stop()
					a.start()
					began := time.Now()
					s := f.add(fmt.Sprint(name, n))
					<-s.m.CaughtUp()
					b.ReportMetric(time.Since(began).Seconds(), "s/join")
					if s.m.View().Digest() != a.m.View().Digest() || s.m.BeganWithState() != state {
						b.Fatalf("%d paths, began with state: %v", s.m.View().Len(), s.m.BeganWithState())
					}
					s.stop()
				}
			}
			b.Run("state", func(b *testing.B) { join(b, "state", true) })
			b.Run("history", func(b *testing.B) {
				if testing.Short() {
					b.Skip("a history of that length takes a minute")
				}
				join(b, "history", false)
			})
		})
	}
}

// BenchmarkJoinAMillion has a newcomer take the state of PATHS (a million) on loopback, and reports what
// it took of memory: at most at any moment, and in the end, both without garbage and with all that
// the datastore caches.
func BenchmarkJoinAMillion(b *testing.B) {
	paths := pathsOr(1_000_000)
	f := newFabric(b)
	f.states.Store(true)
	a := f.add("a")
	fillChanges(b, a, paths, 100)
	for n := range b.N {
		before := heap()
		most := mostAlive()
		began := time.Now()
		s := f.add(fmt.Sprint("newcomer", n))
		<-s.m.CaughtUp()
		b.ReportMetric(time.Since(began).Seconds(), "s/join")
		b.ReportMetric(float64(most()-before)/float64(paths), "most-B/path")
		b.ReportMetric(float64(heap()-before)/float64(paths), "end-B/path")
		if s.m.View().Digest() != a.m.View().Digest() || !s.m.BeganWithState() {
			b.Fatalf("%d paths, began with state: %v", s.m.View().Len(), s.m.BeganWithState())
		}
		s.stop()
	}
}

// mostAlive watches the heap without its garbage until it is called.
func mostAlive() func() uint64 {
	stop, most := make(chan struct{}), make(chan uint64)
	go func() {
		alive := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		for n := uint64(0); ; {
			metrics.Read(alive)
			n = max(n, alive[0].Value.Uint64())
			select {
			case <-stop:
				most <- n
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-most
	}
}

// pathsOr is how many paths to measure with.
func pathsOr(usual int) int {
	paths, err := strconv.Atoi(os.Getenv("PATHS"))
	if err != nil {
		return usual
	}
	return paths
}

func fillPaths(t testing.TB, s *seat, n int) { fillChanges(t, s, n, 5) }

// fillChanges writes n paths, some in each change.
func fillChanges(t testing.TB, s *seat, n, each int) {
	for i := 0; i < n; i += each {
		var ops []pathmap.Op
		for j := range each {
			e := entryOf(t, fmt.Sprint(i+j))
			ops = append(ops, pathmap.Op{Path: blobPath(i + j), Entry: &e})
		}
		if err := s.m.Write(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
	}
}

func fillTags(t testing.TB, s *seat, n int) {
	for i := 0; i < n; i += 50 {
		var ops []pathmap.Op
		for j := range 50 {
			e := entryOf(t, fmt.Sprint(i+j))
			ops = append(ops, pathmap.Op{Path: fmt.Sprintf("/docker/registry/v2/repositories/app/_manifests/tags/v%d/current/link", (i+j)%1000), Entry: &e})
		}
		if err := s.m.Write(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
	}
}

// lateConn is a connection from which everything comes later, at the speed at which it came.
type lateConn struct {
	net.Conn
	chunks chan lateChunk
	rest   []byte
	err    error
}

type lateChunk struct {
	b   []byte
	err error
	at  time.Time
}

func late(c net.Conn, by time.Duration) net.Conn {
	l := &lateConn{Conn: c, chunks: make(chan lateChunk, 1024)}
	go func() {
		for {
			b := make([]byte, 64<<10)
			n, err := c.Read(b)
			l.chunks <- lateChunk{b[:n], err, time.Now().Add(by)}
			if err != nil {
				return
			}
		}
	}()
	return l
}

func (l *lateConn) Read(b []byte) (int, error) {
	for len(l.rest) == 0 {
		if l.err != nil {
			return 0, l.err
		}
		c, ok := <-l.chunks
		if !ok {
			return 0, io.EOF
		}
		time.Sleep(time.Until(c.at))
		l.rest, l.err = c.b, c.err
	}
	n := copy(b, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}
