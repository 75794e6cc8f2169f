package simulate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/simulate"
)

// played is how long each load is played.
const played = 20 * time.Second

// gossipsubs is the part of the others that gossipsub by itself would tell which messages there were.
const gossipsubs = 0.25

// TestCostOfAMember has swarms of several sizes idle, and then take a push of ten paths a second, with
// all announcements or with half of them lost. It prints what that costs a member: the table in
// docs/scale.md.
func TestCostOfAMember(t *testing.T) {
	if testing.Short() {
		t.Skip("it computes for minutes: make simulate")
	}
	rows := []string{head()}
	for _, n := range []int{10, 50, 200} {
		rows = append(rows, cost(t, "a push a second", simulate.Config{Members: n})...)
	}
	rows = append(rows, cost(t, "half lost", simulate.Config{Members: 200, Loss: 0.5})[1])
	rows = append(rows, cost(t, "gossipsub's factor", simulate.Config{Members: 200, GossipFactor: gossipsubs})[1])
	t.Log("\n" + strings.Join(rows, "\n"))
}

// cost gives a row of a swarm at rest, and one under load.
func cost(t *testing.T, load string, cfg simulate.Config) (rows []string) {
	t.Helper()
	cfg.Seed = uint64(cfg.Members)
	play(t, cfg, func(t *testing.T, s *simulate.Swarm) {
		require.NoError(t, s.Push(t.Context(), 0, image(0)))
		time.Sleep(played)
		rows = append(rows, measure(t, s, "idle", func() { time.Sleep(played) })+" |")
		var pushed []int
		row := measure(t, s, load, func() { pushed = pushes(t, s, cfg.Members) })
		time.Sleep(within)
		rows = append(rows, fmt.Sprintf("%s %.2f s |", row, spread(t, s, cfg.Members, pushed...).Seconds()))
	})
	return rows
}

// TestAThousand has a push reach a thousand members when half of the announcements are lost, and when
// all are.
func TestAThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("it computes for a minute or two, and takes some GiB: make simulate")
	}
	const members = 1000
	for _, loss := range []float64{0.5, 1} {
		play(t, simulate.Config{Members: members, Seed: 1, Loss: loss}, func(t *testing.T, s *simulate.Swarm) {
			time.Sleep(time.Second)
			before := cpuTime(t)
			s.Reset()
			require.NoError(t, s.Push(t.Context(), 0, image(0)))
			time.Sleep(within)
			c := s.Cost()
			t.Logf("%.0f %% lost: the last of %d members has a push after %v; a member's %.1f messages and %.1f kB a second, the busiest's %.1f and %.1f; CPU of a map %.1f ms/s", 100*loss, members,
				spread(t, s, members, 0).Round(time.Millisecond), c.All().Messages, c.All().Bytes/1e3, c.Busiest.Messages, c.Busiest.Bytes/1e3, (cpuTime(t)-before).Seconds()*1e3/c.Time.Seconds()/members)
		})
	}
}

// pushes has members push by turns, one image a second.
func pushes(t *testing.T, s *simulate.Swarm, members int) (pushed []int) {
	t.Helper()
	for began, n := time.Now(), 1; n <= int(played/time.Second); n++ {
		pushed = append(pushed, n)
		require.NoError(t, s.Push(t.Context(), n*7%members, image(n)))
		time.Sleep(time.Duration(n)*time.Second - time.Since(began))
	}
	return pushed
}

func head() string {
	row := "| members | load "
	for _, k := range simulate.Kinds() {
		row += "| " + k.String() + " "
	}
	row += "| all | busiest | CPU of the map | last has it after |\n|---|---"
	return row + strings.Repeat("|---", len(simulate.Kinds())+4) + "|"
}

// measure gives a row of the table.
func measure(t *testing.T, s *simulate.Swarm, load string, do func()) string {
	t.Helper()
	s.Reset()
	before := cpuTime(t)
	do()
	spent, c := cpuTime(t)-before, s.Cost()
	row := fmt.Sprintf("| %d | %s ", c.Members, load)
	for _, k := range simulate.Kinds() {
		row += "| " + text(c.By[k])
	}
	return row + fmt.Sprintf("| %s| %s| %.1f ms/s |", text(c.All()), text(c.Busiest), spent.Seconds()*1e3/c.Time.Seconds()/float64(c.Members))
}

// text has messages and kB a second, sent and received.
func text(f simulate.Flow) string { return fmt.Sprintf("%.1f, %.1f kB ", f.Messages, f.Bytes/1e3) }

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
