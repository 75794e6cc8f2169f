package main

import (
	"fmt"
	"slices"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"github.com/dustin/go-humanize"
)

func (b *bench) imageRows(m *imageTrials, ours, theirs pair) {
	const cache = "distribution's pull-through cache over TLS"
	for _, w := range []way{fewAtOnce, allAtOnce} {
		measure := fmt.Sprintf("cold pull of %d layers of %s, %s", imageLayers, humanize.IBytes(uint64(m.size)), w.name)
		image, blob, rival := m.trials[ours.by(w)], m.trials[ours.by(oneBlob)], m.trials[theirs.by(w)]
		b.Rows = append(b.Rows,
			report.BytesRow(measure, "one blob of the same bytes", image, blob, report.AtLeast(1)),
			report.BytesRow(measure, cache, image, rival, report.AtLeast(1)),
			cpuRow("CPU of both ends, "+measure, cache, image, rival, report.AtMost(1.25)))
	}
	b.imageMemoryRow(m, m.peaks[ours.by(allAtOnce)])
}

// cpuRow compares the CPU time that two ways of moving bytes take.
func cpuRow(measure, against string, ours, theirs []report.Trial, t report.Target) report.Row {
	var values []float64
	for i := range ours {
		values = append(values, ours[i].CPUPerGiB()/theirs[i].CPUPerGiB())
	}
	return report.Row{Measure: measure, Against: against, Runs: len(ours), Ours: report.CPU(ours) + " a GiB", Theirs: report.CPU(theirs) + " a GiB",
		Ratio: report.SpreadOf(values), Target: t, CPUOurs: report.CPU(ours), CPUTheirs: report.CPU(theirs)}
}

// imageMemoryRow compares with what a registry may take, pull by pull.
func (b *bench) imageMemoryRow(m *imageTrials, peaks []uint64) {
	var shares []float64
	for _, peak := range peaks {
		shares = append(shares, (float64(peak)-float64(m.idle))/(maxImageExtra<<20))
	}
	s := report.SpreadOf(shares)
	b.Rows = append(b.Rows, report.Row{Measure: fmt.Sprintf("anonymous memory of B above idle, %d layers of %s, %s", imageLayers, humanize.IBytes(uint64(m.size)), allAtOnce.name),
		Against: fmt.Sprintf("%d MiB", maxImageExtra), Runs: len(shares), Ours: humanize.IBytes(uint64(max(0, s.Median) * (maxImageExtra << 20))), Theirs: humanize.IBytes(m.idle) + " idle",
		Ratio: s, Target: report.AtMost(1)})
}

// imageTable shows all that took part.
func (b *bench) imageTable(m *imageTrials, ours, theirs pair) {
	fmt.Fprintf(&b.Tables, "\n## An image, cold, to a client\n\n%d layers of %s, and one blob of the same bytes, %d runs each, in turns, a small image ahead of each to warm the connections. "+
		"*cache*: distribution's pull-through cache on the filesystem driver, which asks another such registry by HTTP/1.1 over TLS 1.3; all are the same binary. "+
		"*CPU* is of both ends, until all is stored. *Memory* is the most anonymous memory of the one that is pulled from, in any run.\n\n"+
		"| way | median MB/s | least | most | CPU a GiB | memory |\n|---|---|---|---|---|---|\n",
		imageLayers, humanize.IBytes(uint64(m.size)), len(m.trials[ours.by(oneBlob)]))
	for _, name := range []string{ours.by(fewAtOnce), ours.by(allAtOnce), ours.by(oneBlob), theirs.by(fewAtOnce), theirs.by(allAtOnce)} {
		rate := report.Over(m.trials[name], report.Trial.Rate)
		fmt.Fprintf(&b.Tables, "| %s | %.0f | %.0f | %.0f | %s | %s |\n", name, rate.Median/1e6, rate.Least/1e6, rate.Most/1e6, report.CPU(m.trials[name]), humanize.IBytes(slices.Max(m.peaks[name])))
	}
}
