package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// row is a step, and what came of it.
type row struct {
	what     string
	images   int // that each registry answers
	paths    int
	features string
	dropped  int
	took     time.Duration
	result   string // "": it holds
}

func (t *trial) report() {
	w := tabwriter.NewWriter(t.out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "\nSTEP\tTOOK\tIMAGES\tPATHS\tCAPABILITIES\tDROPPED\tRESULT")
	for _, r := range t.rows {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%d\t%s\n", r.what, r.took.Round(100*time.Millisecond), r.images, r.paths, r.features, r.dropped, cmp.Or(r.result, "holds"))
	}
	_ = w.Flush()
	l := t.load
	t.say("\n%d pushes and %d deletes acknowledged, %d pulls, %d requests refused or cut off", l.pushed.Load(), l.deleted.Load(), l.pulled.Load(), l.refused.Load())
	for _, why := range l.wrong {
		t.breach("wrong answer: %s", why)
	}
	for _, why := range t.broken {
		t.say("DOES NOT HOLD: %s", why)
	}
	if len(t.broken) == 0 {
		t.say("all holds")
	}
}

// lastLine is the last line of a log.
func lastLine(log string) string {
	text, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}
