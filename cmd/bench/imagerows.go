package main

import (
	"fmt"
	"slices"

	"github.com/dustin/go-humanize"
)

func (b *bench) imageRows(m *imageTrials, ours, theirs pair) {
	const cache = "distribution's pull-through cache over TLS"
	for _, w := range []way{fewAtOnce, allAtOnce} {
		measure := fmt.Sprintf("cold pull of %d layers of %s, %s", imageLayers, humanize.IBytes(uint64(m.size)), w.name)
		image, blob, rival := m.trials[ours.by(w)], m.trials[ours.by(oneBlob)], m.trials[theirs.by(w)]
		b.rows = append(b.rows,
			bytesRow(measure, "one blob of the same bytes", image, blob, atLeast(1)),
			bytesRow(measure, cache, image, rival, atLeast(1)),
			cpuRow("CPU of both ends, "+measure, cache, image, rival, atMost(1.25)))
	}
	b.imageMemoryRow(m, m.peaks[ours.by(allAtOnce)])
}

// cpuRow compares what two ways of moving bytes take of the processors.
func cpuRow(measure, against string, ours, theirs []trial, t target) row {
	var values []float64
	for i := range ours {
		values = append(values, ours[i].cpuPerGiB()/theirs[i].cpuPerGiB())
	}
	return row{measure, against, len(ours), cpu(ours) + " a GiB", cpu(theirs) + " a GiB", spreadOf(values), t, cpu(ours), cpu(theirs)}
}

// imageMemoryRow compares with what a registry may take, pull by pull.
func (b *bench) imageMemoryRow(m *imageTrials, peaks []uint64) {
	var shares []float64
	for _, peak := range peaks {
		shares = append(shares, (float64(peak)-float64(m.idle))/(maxImageExtra<<20))
	}
	s := spreadOf(shares)
	b.rows = append(b.rows, row{fmt.Sprintf("anonymous memory of B above idle, %d layers of %s, %s", imageLayers, humanize.IBytes(uint64(m.size)), allAtOnce.name),
		fmt.Sprintf("%d MiB", maxImageExtra), len(shares), humanize.IBytes(uint64(max(0, s.median) * (maxImageExtra << 20))), humanize.IBytes(m.idle) + " idle",
		s, atMost(1), "-", "-"})
}

// imageTable shows all that took part.
func (b *bench) imageTable(m *imageTrials, ours, theirs pair) {
	fmt.Fprintf(&b.tables, "\n## An image, cold, to a client\n\n%d layers of %s, and one blob of the same bytes, %d runs each, in turns, a small image ahead of each to warm the connections. "+
		"*cache*: distribution's pull-through cache on the filesystem driver, which asks another such registry by HTTP/1.1 over TLS 1.3; all are the same binary. "+
		"*CPU* is of both ends, until all is stored. *Memory* is the most anonymous memory of the one that is pulled from, in any run.\n\n"+
		"| way | median MB/s | least | most | CPU a GiB | memory |\n|---|---|---|---|---|---|\n",
		imageLayers, humanize.IBytes(uint64(m.size)), len(m.trials[ours.by(oneBlob)]))
	for _, name := range []string{ours.by(fewAtOnce), ours.by(allAtOnce), ours.by(oneBlob), theirs.by(fewAtOnce), theirs.by(allAtOnce)} {
		rate := over(m.trials[name], trial.rate)
		fmt.Fprintf(&b.tables, "| %s | %.0f | %.0f | %.0f | %s | %s |\n", name, rate.median/1e6, rate.least/1e6, rate.most/1e6, cpu(m.trials[name]), humanize.IBytes(slices.Max(m.peaks[name])))
	}
}
