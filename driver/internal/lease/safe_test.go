package lease_test

import (
	"os"
	"strconv"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
)

// stepsOf is how long the model of one seed is played: some 230 days.
const stepsOf = 1_000_000

// TestNothingThatIsReferredToGoes plays the model by the rules. Two seeds take seconds;
//
//	LEASE_SEEDS=1000 go test -run NothingThat -timeout 2h ./driver/internal/lease
//
// plays more of them. A seed always plays the same.
func TestNothingThatIsReferredToGoes(t *testing.T) {
	seeds, steps := 2, stepsOf
	if n, err := strconv.Atoi(os.Getenv("LEASE_SEEDS")); err == nil {
		seeds = n
	} else if testing.Short() {
		steps /= 5
	}
	for seed := range seeds {
		s := newSim(uint64(seed), 3+seed%4, broken{})
		s.run(steps)
		if s.found != "" {
			t.Errorf("seed %d, %d registries: %s", seed, len(s.regs), s.found)
		}
		t.Logf("seed %d, %d registries: %+v", seed, len(s.regs), s.seen)
		if seeds == 2 && (s.seen.deleted < 100 || s.seen.dropped < 10 || s.seen.relied < 1000 || s.seen.forgot == 0) {
			t.Errorf("seed %d: too little happened: %+v", seed, s.seen)
		}
	}
}

// TestEachRuleIsNeeded breaks the rules one by one: the model finds what goes wrong, within
// 20 seeds. It begins with one that shows it, as long as the model stays as it is.
func TestEachRuleIsNeeded(t *testing.T) {
	for _, c := range []struct {
		name string
		from int
		broken
	}{
		{"1, nothing is renewed", 0, broken{neverRenew: true}},
		{"1, nothing lapses", 1, broken{neverLapse: true}},
		{"2, one mark", 0, broken{markOnce: true}},
		{"3, nobody is heard", 0, broken{hearNobody: true}},
		{"3, reliances under way are not awaited", 3, broken{hearOnlyCome: true}},
		{"4, bytes go at once", 4, broken{bytesAtOnce: true}},
		{"4, bytes go unheard", 4, broken{bytesUnheard: true}},
		{"4, a manifest asks for no bytes", 4, broken{dontAsk: true}},
		{"5, nothing returns", 1, broken{noReturn: true}},
		{"1 and 3, by the clocks alone", 1, broken{clocks: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := range 20 {
				seed := (c.from + i) % 20
				s := newSim(uint64(seed), 3+seed%4, c.broken)
				s.run(stepsOf)
				if s.found != "" {
					t.Logf("seed %d, %d registries: %s", seed, len(s.regs), s.found)
					return
				}
			}
			t.Error("it does no harm in 20 seeds")
		})
	}
}

// TestAWriterReturnsBetweenViewAndDelete: a collection forgot a writer, takes its second view,
// and merges what the writer had pushed meanwhile before it deletes. What this refers to comes
// back.
func TestAWriterReturnsBetweenViewAndDelete(t *testing.T) {
	for _, b := range []broken{{}, {recordLate: true}} {
		s := newSim(0, 2, b)
		collector, writer := s.regs[0], s.regs[1]
		blob, link, rev := dataOf(s.images[0][0]), linkOf(0, s.images[0][0]), revOf(0, 0)
		s.images[0] = s.images[0][:1]
		writer.has[blob] = true
		write := func(paths ...int) {
			(&request{r: writer, writes: paths}).write()
		}
		write(blob, link)
		collector.merge(writer.merged, never)
		write(rev) // relies on what the writer has just written
		collector.forget(writer)
		collector.mark = lease.NewMark(collector.ran, collector.counter, collector.unused())
		collector.secondView()
		collector.meet(writer)
		collector.merge(writer.merged, never)
		collector.deleteDoomed()
		s.calm()
		if missing := len(writer.alive[blob]) == 0; missing != b.recordLate {
			t.Errorf("%+v: missing is %v: %s", b, missing, s.found)
		}
	}
}
