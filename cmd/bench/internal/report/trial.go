package report

import (
	"fmt"
	"slices"
	"time"
)

// Trial is one run of one way of doing something.
type Trial struct {
	Count float64       // bytes, or requests
	Took  time.Duration // by the clock
	CPU   time.Duration // of the processes at both ends
}

// Rate is bytes or requests a second.
func (t Trial) Rate() float64 { return t.Count / t.Took.Seconds() }

// CPUPerGiB is in seconds.
func (t Trial) CPUPerGiB() float64 { return t.CPU.Seconds() / (t.Count / (1 << 30)) }

// Spread is a median with the least and the greatest.
type Spread struct{ Median, Least, Most float64 }

// SpreadOf is that of one value or more.
func SpreadOf(values []float64) Spread {
	s := slices.Sorted(slices.Values(values))
	return Spread{s[len(s)/2], s[0], s[len(s)-1]}
}

// Exactly is the spread of a single value.
func Exactly(v float64) Spread { return Spread{v, v, v} }

// Over is the spread of a value of trials.
func Over(trials []Trial, value func(Trial) float64) Spread {
	var values []float64
	for _, t := range trials {
		values = append(values, value(t))
	}
	return SpreadOf(values)
}

// Ratios compares run by run: theirs came right after ours.
func Ratios(ours, theirs []Trial) Spread {
	var values []float64
	for i := range ours {
		values = append(values, ours[i].Rate()/theirs[i].Rate())
	}
	return SpreadOf(values)
}

func (s Spread) String() string {
	return fmt.Sprintf("**%.2f** (%.2f–%.2f)", s.Median, s.Least, s.Most)
}

// Short is a duration of three digits.
func Short(d time.Duration) string {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}
