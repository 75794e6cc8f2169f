package main

import (
	"fmt"
	"slices"
	"time"
)

// trial is one run of one way of doing something.
type trial struct {
	count float64       // bytes, or requests
	took  time.Duration // by the clock
	cpu   time.Duration // of the processes at both ends
}

// rate is bytes or requests a second.
func (t trial) rate() float64 { return t.count / t.took.Seconds() }

// cpuPerGiB is in seconds.
func (t trial) cpuPerGiB() float64 { return t.cpu.Seconds() / (t.count / (1 << 30)) }

// spread is a median with the least and the greatest.
type spread struct{ median, least, most float64 }

func spreadOf(values []float64) spread {
	s := slices.Sorted(slices.Values(values))
	return spread{s[len(s)/2], s[0], s[len(s)-1]}
}

func over(trials []trial, value func(trial) float64) spread {
	var values []float64
	for _, t := range trials {
		values = append(values, value(t))
	}
	return spreadOf(values)
}

// ratios compares run by run: theirs came right after ours.
func ratios(ours, theirs []trial) spread {
	var values []float64
	for i := range ours {
		values = append(values, ours[i].rate()/theirs[i].rate())
	}
	return spreadOf(values)
}

func (s spread) String() string {
	return fmt.Sprintf("**%.2f** (%.2f–%.2f)", s.median, s.least, s.most)
}

// short is a duration of three digits.
func short(d time.Duration) string {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}
