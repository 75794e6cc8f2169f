package main

import "fmt"

// row is a line of the table of targets.
type row struct {
	measure, against  string
	runs              int
	ours, theirs      string
	ratio             spread
	target            target
	cpuOurs, cpuTheir string
}

type target struct {
	value float64
	most  bool // the ratio may be that at most, not at least
}

func atLeast(v float64) target { return target{v, false} }
func atMost(v float64) target  { return target{v, true} }

func (t target) met(v float64) bool { return t.most && v <= t.value || !t.most && v >= t.value }

func (t target) String() string {
	if t.most {
		return fmt.Sprintf("≤ %g", t.value)
	}
	return fmt.Sprintf("≥ %g", t.value)
}

func (r row) String() string {
	met := "**no**"
	if r.target.met(r.ratio.median) {
		met = "yes"
	}
	return fmt.Sprintf("| %s | %s | %d | %s | %s | %s | %s | %s | %s | %s |\n", r.measure, r.against, r.runs, r.ours, r.theirs, r.ratio, r.target, met, r.cpuOurs, r.cpuTheir)
}

// bytesRow compares two ways of moving bytes.
func bytesRow(measure, against string, ours, theirs []trial, t target) row {
	return row{measure, against, len(ours), megabytes(ours), megabytes(theirs), ratios(ours, theirs), t, cpu(ours), cpu(theirs)}
}

// requestsRow compares two ways of answering requests.
func requestsRow(measure, against string, ours, theirs []trial, t target) row {
	rate := func(trials []trial) string { return fmt.Sprintf("%.0f/s", over(trials, trial.rate).median) }
	each := func(trials []trial) string {
		return fmt.Sprintf("%.0f µs each", over(trials, func(t trial) float64 { return t.cpu.Seconds() / t.count * 1e6 }).median)
	}
	return row{measure, against, len(ours), rate(ours), rate(theirs), ratios(ours, theirs), t, each(ours), each(theirs)}
}

func megabytes(trials []trial) string {
	return fmt.Sprintf("%.0f MB/s", over(trials, trial.rate).median/1e6)
}

func cpu(trials []trial) string { return fmt.Sprintf("%.1f s", over(trials, trial.cpuPerGiB).median) }
