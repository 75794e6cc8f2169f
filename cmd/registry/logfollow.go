package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

const (
	logPause  = time.Second // between two looks at the map
	logWindow = 1000        // changes among which new ones are looked for
	logFirst  = 10          // that are told of at the start, without another limit
)

// followLog tells of changes as this registry hears of them, the earliest first, until it is
// interrupted, or the registry stops.
func followLog(cmd *cobra.Command, args []string, o driver.LogOptions, tell func(driver.LogChange) error) error {
	p, err := readParameters(args)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	f := logFollower{client: driver.NewClient(p), options: o, first: o.Limit}
	if f.first <= 0 {
		f.first = logFirst
	}
	f.options.Limit = logWindow
	for {
		news, err := askRunning(ctx, cmd, p, func() ([]driver.LogChange, error) { return f.look(ctx) })
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		for _, c := range news {
			if err := tell(c); err != nil {
				return err
			}
		}
		select {
		case <-time.After(logPause):
		case <-ctx.Done():
			return nil
		}
	}
}

// logFollower knows what was told. The history has an order, in which what was pushed on the other side
// of a partition stands between what was told already.
type logFollower struct {
	client  *driver.Client
	options driver.LogOptions
	first   int // that are told of at the start

	digest string // of the map, when it was last looked at
	looked bool
	full   bool            // there was more before the last answer
	seen   map[logKey]bool // of the last answer
}

// logKey is by what a change is known again.
type logKey struct{ what, repository, tag, digest, by, at string }

func keyOf(c driver.LogChange) logKey {
	k := logKey{c.What, c.Repository, c.Tag, c.Digest, c.By.PeerID, ""}
	switch {
	case c.At != nil:
		k.at = c.At.String()
	case c.Heard != nil:
		k.at = c.Heard.String()
	}
	return k
}

// look asks for what is new, if there is anything new in the map. What was taken back within a moment is
// told with the next change.
func (f *logFollower) look(ctx context.Context) ([]driver.LogChange, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	status, err := f.client.Status(ctx)
	if err != nil || f.looked && status.Map.Digest == f.digest {
		return nil, err
	}
	l, err := f.client.Log(ctx, f.options)
	if err != nil {
		return nil, err
	}
	f.digest = status.Map.Digest
	return f.news(l), nil
}

// news are the changes of an answer that no answer before had, the earliest first.
func (f *logFollower) news(l driver.Log) (news []driver.LogChange) {
	now, last := make(map[logKey]bool, len(l.Changes)), -1
	for i, c := range l.Changes {
		k := keyOf(c)
		now[k] = true
		if f.seen[k] {
			last = i
		}
	}
	for i, c := range l.Changes {
		switch {
		case !f.looked && i >= f.first, f.seen[keyOf(c)]:
		case f.full && last >= 0 && i > last: // it was beyond the end of the answer before
		case f.looked && c.At == nil && c.Heard == nil: // so long ago that this registry has forgotten when
		default:
			news = append(news, c)
		}
	}
	f.seen, f.looked, f.full = now, true, l.Next != ""
	slices.Reverse(news)
	return news
}

// tellLog prints one change after the other.
func tellLog(out io.Writer, asJSON, wide bool) func(driver.LogChange) error {
	if asJSON {
		lines := jsonEncoder(out)
		return func(c driver.LogChange) error { return lines.Encode(c) }
	}
	return func(c driver.LogChange) error {
		_, err := fmt.Fprintln(out, logLine(c, digestText(wide), time.Local, wide))
		return err
	}
}

// logLine tells of a change in one line.
func logLine(c driver.LogChange, digest func(string) string, zone *time.Location, wide bool) string {
	cells := logRow(c, digest, zone, wide)
	when, what, image, is, was, by, note := cells[0], cells[1], cells[2], cells[3], cells[4], cells[5], cells[6]
	line := fmt.Sprintf("%s  %-16s  %s  %s", when, what, image, is)
	if was != "-" {
		line += "  before " + was
	}
	if by != "-" {
		line += "  by " + by
	}
	if note != "-" {
		line += "  " + note
	}
	return printable(strings.TrimSpace(line))
}
