package report

import (
	"cmp"
	"fmt"
)

// Row is a line of the table of targets.
type Row struct {
	Measure, Against   string // what is compared with what
	Runs               int    // of ours
	Ours, Theirs       string // with their units
	Ratio              Spread
	Target             Target
	CPUOurs, CPUTheirs string // with their units; "": not measured
}

// Target is what a ratio has to be.
type Target struct {
	value float64
	most  bool // the ratio may be that at most, not at least
}

// AtLeast is met by ratios of v and more.
func AtLeast(v float64) Target { return Target{v, false} }

// AtMost is met by ratios of v and less.
func AtMost(v float64) Target { return Target{v, true} }

func (t Target) met(v float64) bool { return t.most && v <= t.value || !t.most && v >= t.value }

func (t Target) String() string {
	if t.most {
		return fmt.Sprintf("≤ %g", t.value)
	}
	return fmt.Sprintf("≥ %g", t.value)
}

// String is the line in Markdown.
func (r Row) String() string {
	met := "**no**"
	if r.Target.met(r.Ratio.Median) {
		met = "yes"
	}
	cpuOurs, cpuTheirs := cmp.Or(r.CPUOurs, "-"), cmp.Or(r.CPUTheirs, "-")
	return fmt.Sprintf("| %s | %s | %d | %s | %s | %s | %s | %s | %s | %s |\n", r.Measure, r.Against, r.Runs, r.Ours, r.Theirs, r.Ratio, r.Target, met, cpuOurs, cpuTheirs)
}

// BytesRow compares two ways of moving bytes.
func BytesRow(measure, against string, ours, theirs []Trial, t Target) Row {
	return Row{measure, against, len(ours), Megabytes(ours), Megabytes(theirs), Ratios(ours, theirs), t, CPU(ours), CPU(theirs)}
}

// RequestsRow compares two ways of answering requests.
func RequestsRow(measure, against string, ours, theirs []Trial, t Target) Row {
	rate := func(trials []Trial) string { return fmt.Sprintf("%.0f/s", Over(trials, Trial.Rate).Median) }
	each := func(trials []Trial) string {
		return fmt.Sprintf("%.0f µs each", Over(trials, func(t Trial) float64 { return t.CPU.Seconds() / t.Count * 1e6 }).Median)
	}
	return Row{measure, against, len(ours), rate(ours), rate(theirs), Ratios(ours, theirs), t, each(ours), each(theirs)}
}

// Megabytes is the median rate, in MB/s.
func Megabytes(trials []Trial) string {
	return fmt.Sprintf("%.0f MB/s", Over(trials, Trial.Rate).Median/1e6)
}

// CPU is the median of the seconds of CPU time a GiB.
func CPU(trials []Trial) string { return fmt.Sprintf("%.1f s", Over(trials, Trial.CPUPerGiB).Median) }
