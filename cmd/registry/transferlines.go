package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// maxBars is how many transfers under way are drawn; the others are counted.
const maxBars = 15

// transferLines prints transfers as they happen: a line for each that is over, and below them, on a
// terminal, a bar for each that is under way.
type transferLines struct {
	out   io.Writer
	bars  bool
	zone  *time.Location
	drawn int // lines of bars
}

func (t *transferLines) tell(all driver.TransferStories) error {
	var b strings.Builder
	if t.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", t.drawn) // up, and clear what is below
	}
	for _, s := range all.Finished {
		fmt.Fprintln(&b, finishedLine(s, t.zone))
	}
	t.drawn = 0
	if t.bars {
		for _, line := range barLines(all.Running) {
			fmt.Fprintln(&b, line)
			t.drawn++
		}
	}
	_, err := io.WriteString(t.out, b.String())
	return err
}

// finishedLine tells of a transfer that is over, in one line.
func finishedLine(s driver.TransferStory, zone *time.Location) string {
	ended := "-"
	if s.Ended != nil {
		ended = s.Ended.In(zone).Format(time.TimeOnly)
	}
	var from []string
	for _, of := range sourceCells(s) {
		name, road, bytes, notes := of[0], of[1], of[2], of[4]
		if road != "-" {
			name += " by " + road
		}
		if notes != "-" {
			bytes += ", " + notes
		}
		if bytes != "-" {
			name += " (" + bytes + ")"
		}
		from = append(from, name)
	}
	line := fmt.Sprintf("%s  %-11s  %-9s  %s  %s in %s from %s; limit: %s", ended, s.Result, s.For, blobName(s, false),
		humanize.IBytes(uint64(s.Size)), durationText(s.Took), strings.Join(from, ", "), limitText(s.Limit))
	if s.Retries > 0 {
		line += "; retries: " + retriesText(s)
	}
	return line
}

func barLines(running []driver.TransferStory) (lines []string) {
	for _, s := range running[:min(len(running), maxBars)] {
		var from []string
		for _, of := range s.Sources {
			if of.Got > 0 {
				from = append(from, fmt.Sprintf("%s %s", sourceName(of), speedText(of.Rate)))
			}
		}
		lines = append(lines, fmt.Sprintf("%s %3d%%  %s  %s  %s", bar(s.Here, s.Size), share(s.Here, s.Size), blobName(s, false),
			humanize.IBytes(uint64(s.Size)), strings.Join(from, ", ")))
	}
	if more := len(running) - maxBars; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return lines
}
