package peer_test

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/crypto"
	"golang.org/x/sys/unix"
)

// BenchmarkHeartbeats has every member of a swarm send heartbeats, and waits until all others
// have noted them. One operation is one heartbeat on its way from one member to another, at
// both ends. cpu-ms/s is what a member of 200 spends on them a second: it sends one to each of
// the others every ten seconds, and gets one from each.
func BenchmarkHeartbeats(b *testing.B) {
	for _, n := range []int{10, 40} {
		b.Run(fmt.Sprintf("members=%d", n), func(b *testing.B) {
			all := beatingSwarm(b, n)
			rounds := min(8, 1+b.N/(n*(n-1))) // more at once are too many, and are dropped
			before := cpuTime(b)
			for round := range rounds {
				for _, s := range all {
					sent := fmt.Sprintf(`{"format":1,"run":%s,"seq":%d,"name":"registry-17","version":"v1.2.3","zone":"north","capacity":1000000000000,"free":%d}`,
						s.run(b), 1_000_000+round, round+1)
					if err := s.PublishHeartbeat([]byte(sent)); err != nil {
						b.Fatal(err)
					}
				}
				awaitBeats(b, all, int64(round+1))
			}
			each := (cpuTime(b) - before) / time.Duration(rounds*n*(n-1))
			b.ReportMetric(0, "ns/op") // it is the processor's time that counts
			b.ReportMetric(float64(each.Nanoseconds())/1e3, "cpu-µs/op")
			b.ReportMetric(each.Seconds()*1e3*199/10, "cpu-ms/s")
		})
	}
}

// beatingSwarm starts members, each connected with all others, that know what each says.
func beatingSwarm(b *testing.B, n int) (all []*station) {
	for i := range n {
		key, _, err := crypto.GenerateEd25519Key(rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		s := &station{key: key, store: dssync.MutexWrap(datastore.NewMapDatastore())}
		change := beats("north", 1, always(0, false))
		if i > 0 {
			change = both(change, via(all[0].info(b, stripped(b, all[0])...)))
		}
		s.start(b, change)
		all = append(all, s)
	}
	meet(b, all...)
	awaitBeats(b, all, 0)
	return all
}

// awaitBeats waits until all have noted heartbeats of all others that say how much is free.
func awaitBeats(b *testing.B, all []*station, free int64) {
	for _, s := range all {
		eventually(b, "it hears the heartbeats that say "+strconv.FormatInt(free, 10), func() bool {
			heard := 0
			for _, m := range s.Members() {
				if m.Heartbeat != nil && m.Heartbeat.Free == free {
					heard++
				}
			}
			return heard == len(all)-1
		})
	}
}

func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
