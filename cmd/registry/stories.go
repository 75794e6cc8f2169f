package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

const (
	barWidth     = 20 // characters
	maxWaits     = 2  // that a row names
	leastWait    = time.Millisecond
	leastPercent = 1 // of the time, for a wait that a row names
)

// transfersSections are the tables of `ipfs transfers`; with bars for what is under way.
func transfersSections(all driver.TransferStories, now time.Time, bars, wide bool) []section {
	running := section{title: fmt.Sprintf("RUNNING  %s", counted(len(all.Running), "transfer"))}
	if len(all.Running) == 0 {
		running.row("none")
	} else {
		running.row(slices.Concat([]string{"BLOB", "FOR", "SIZE", "HERE", "SINCE", "WAITED FOR", "RETRIES", "LIMIT"}, sourceTitles)...)
	}
	for _, s := range all.Running {
		here := fmt.Sprintf("%d%%", share(s.Here, s.Size))
		if bars {
			here = bar(s.Here, s.Size) + " " + here
		}
		storyRows(&running, s, blobName(s, wide), s.For, bytesText(s.Size), here,
			durationText(s.Took), waitedText(s), retriesText(s), limitText(s.Limit))
	}
	finished := section{title: fmt.Sprintf("FINISHED  %s", counted(len(all.Finished), "transfer"))}
	if len(all.Finished) == 0 {
		finished.row("none since the start")
	} else {
		finished.row(slices.Concat([]string{"ENDED", "BLOB", "FOR", "SIZE", "RESULT", "FIRST BYTE", "TOOK", "WAITED FOR", "RETRIES", "LIMIT"}, sourceTitles)...)
	}
	for _, s := range all.Finished {
		storyRows(&finished, s, endedText(s, now), blobName(s, wide), s.For, bytesText(s.Size), s.Result,
			durationText(s.FirstByte), durationText(s.Took), waitedText(s), retriesText(s), limitText(s.Limit))
	}
	return []section{running, finished}
}

// sourceTitles are those of sourceCells.
var sourceTitles = []string{"FROM", "ROAD", "BYTES", "RATE", "NOTES"}

// storyRows adds a row for each source of a blob: what is said of the blob itself stands in the first
// one.
func storyRows(sec *section, s driver.TransferStory, blob ...string) {
	for _, of := range sourceCells(s) {
		sec.row(append(blob, of...)...)
		blob = make([]string, len(blob))
	}
}

// sourceCells are from whom bytes came, by which road, how many, how fast, and what was wrong with it.
// One that sent nothing is told of when it was waited for.
func sourceCells(s driver.TransferStory) (all [][]string) {
	for i, of := range s.Sources {
		if of.Got == 0 && of.Bytes == 0 && of.Retries == 0 && of.Mute == 0 {
			continue
		}
		name := sourceName(of)
		if s.Others > 0 && i == len(s.Sources)-1 {
			name = counted(s.Others, "other")
		}
		var notes []string
		if of.Wrong > 0 {
			notes = append(notes, "wrong bytes")
		}
		if of.Mute >= leastWait {
			notes = append(notes, "mute for "+durationText(of.Mute))
		}
		all = append(all, []string{
			name, orDash(strings.Join(of.Roads, ", ")), bytesText(of.Bytes), speedText(of.Rate), orDash(strings.Join(notes, ", ")),
		})
	}
	if s.Copied > 0 {
		all = append(all, []string{"blobs here", "-", bytesText(s.Copied), "-", "-"})
	}
	if s.Before > 0 {
		all = append(all, []string{"here before", "-", bytesText(s.Before), "-", "-"})
	}
	if len(all) == 0 {
		all = append(all, []string{"nobody", "-", "-", "-", "-"})
	}
	return all
}

// waitedText is what a transfer waited for longest, besides the bytes that came.
func waitedText(s driver.TransferStory) string {
	type wait struct {
		what string
		took time.Duration
	}
	var all []wait
	for what, took := range s.Waits {
		if what != "flow" && took >= leastWait && took*100 >= s.Took*leastPercent {
			all = append(all, wait{what, took})
		}
	}
	slices.SortFunc(all, func(a, b wait) int { return cmp.Or(cmp.Compare(b.took, a.took), cmp.Compare(a.what, b.what)) })
	var texts []string
	for _, w := range all[:min(len(all), maxWaits)] {
		texts = append(texts, w.what+" "+durationText(w.took))
	}
	return orDash(strings.Join(texts, ", "))
}

// limitText names what limited a transfer, and whose fault that was.
func limitText(l driver.TransferLimit) string {
	if l.What == "" {
		return "-"
	}
	return fmt.Sprintf("%s, %.0f%%", limitName(l), 100*l.Share)
}

func limitName(l driver.TransferLimit) string {
	if l.PeerID == "" {
		return l.What
	}
	return fmt.Sprintf("%s (%s)", l.What, cmp.Or(l.Name, shortID(l.PeerID)))
}

// sourceName is what a source is called.
func sourceName(of driver.StorySource) string {
	return cmp.Or(of.Name, shortID(of.PeerID), "other peers")
}

func retriesText(s driver.TransferStory) string {
	if s.Wrong > 0 {
		return fmt.Sprintf("%d, %d wrong", s.Retries, s.Wrong)
	}
	return fmt.Sprint(s.Retries)
}

// blobName is a digest, or the CID of a blob whose digest is not known.
func blobName(s driver.TransferStory, wide bool) string {
	switch {
	case s.Digest != "" && wide:
		return s.Digest
	case s.Digest != "":
		return shortDigest(s.Digest)
	}
	return s.CID
}

func endedText(s driver.TransferStory, now time.Time) string {
	if s.Ended == nil {
		return "-"
	}
	return humanize.RelTime(*s.Ended, now, "ago", "from now")
}

// durationText is a duration with three digits.
func durationText(d time.Duration) string {
	switch {
	case d <= 0:
		return "-"
	case d >= 10*time.Second:
		d = d.Round(100 * time.Millisecond)
	case d >= time.Second:
		d = d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		d = d.Round(100 * time.Microsecond)
	default:
		d = d.Round(time.Microsecond)
	}
	return d.String()
}

func speedText(rate float64) string {
	if rate <= 0 {
		return "-"
	}
	return perSecond(rate)
}

// bar draws how much is here.
func bar(part, whole int64) string {
	full := int(scaled(barWidth, part, whole))
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}
