package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rivo/uniseg"
	"golang.org/x/term"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// maxBars is how many transfers under way are drawn; the others are counted.
const maxBars = 15

// transferLines prints transfers as they happen: a line for each that is over, and below them, on a
// terminal, a bar for each that is under way.
type transferLines struct {
	out   io.Writer
	size  func() (columns, rows int) // of the terminal as it is now; nil: it is none
	zone  *time.Location
	drawn []string // lines of bars
}

func (t *transferLines) tell(all driver.TransferStories) error {
	var b strings.Builder
	columns, rows := usualColumns, usualRows
	if t.size != nil {
		columns, rows = t.size()
	}
	if n := rowsOf(t.drawn, columns); n > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r\x1b[J", n) // up, and clear what is below
	}
	for _, s := range all.Finished {
		fmt.Fprintln(&b, finishedLine(s, t.zone))
	}
	t.drawn = nil
	if t.size != nil {
		for _, line := range barLines(all.Running, rows-2) { // the cursor is below, and something above
			line = cut(line, columns-1) // in the last column some terminals begin a new line
			fmt.Fprintln(&b, line)
			t.drawn = append(t.drawn, line)
		}
	}
	_, err := io.WriteString(t.out, b.String())
	return err
}

// A terminal that does not say how large it is.
const usualColumns, usualRows = 80, 24

// terminalSize is how large a terminal is now.
func terminalSize(f *os.File) (columns, rows int) {
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil || columns < 1 || rows < 1 {
		return usualColumns, usualRows
	}
	return columns, rows
}

// rowsOf is how many rows of a terminal lines take: those that were drawn on a wider one have become
// several.
func rowsOf(lines []string, columns int) (n int) {
	columns = max(columns, 1)
	for _, line := range lines {
		n += max(1, (uniseg.StringWidth(line)+columns-1)/columns)
	}
	return n
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
		bytesText(s.Size), durationText(s.Took), strings.Join(from, ", "), limitText(s.Limit))
	if s.Retries > 0 {
		line += "; retries: " + retriesText(s)
	}
	return printable(line)
}

// barLines draws a bar for each transfer that there is room for, in so many rows, and counts the others.
func barLines(running []driver.TransferStory, rows int) (lines []string) {
	most := min(maxBars, len(running))
	if rows < most || len(running) > most {
		most = max(0, min(most, rows-1))
	}
	for _, s := range running[:most] {
		var from []string
		for _, of := range s.Sources {
			if of.Got > 0 {
				from = append(from, fmt.Sprintf("%s %s", sourceName(of), speedText(of.Rate)))
			}
		}
		lines = append(lines, printable(fmt.Sprintf("%s %3d%%  %s  %s  %s", bar(s.Here, s.Size), share(s.Here, s.Size), blobName(s, false),
			bytesText(s.Size), strings.Join(from, ", "))))
	}
	if more := len(running) - most; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return lines
}
