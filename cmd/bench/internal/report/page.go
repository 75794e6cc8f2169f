// Package report is what the measurements say: trials, the rows that compare them, the
// machine, and the page of it all.
//
//	var p report.Page
//	p.Rows = append(p.Rows, report.BytesRow("push", "filesystem driver", ours, theirs, report.AtLeast(0.95)))
//	err := report.ReplaceTables("docs/benchmarks.md", p.Text(false, began))
//
// Limits: it measures nothing, and reads the machine from Linux's /proc.
package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// byHand is the heading at which the tables end and the text written by hand begins.
const byHand = "\n## What limits each row\n"

// ReplaceTables writes a page in place of the last one's tables.
func ReplaceTables(path, text string) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if i := strings.Index(string(old), byHand); i >= 0 {
		text += string(old[i:])
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// Page is what the measurements say.
type Page struct {
	Rows   []Row           // of the table of targets
	Notes  []string        // what was left out, and why
	Tables strings.Builder // the other tables
}

// Text is the page of a run that began then.
func (p *Page) Text(quick bool, began time.Time) string {
	var t strings.Builder
	t.WriteString(head(quick, began))
	for _, note := range p.Notes {
		fmt.Fprintf(&t, "%s\n\n", note)
	}
	t.WriteString("## Targets\n\n" +
		"*Ratio* is the median of the runs' own ratios, each of one run of ours to the rival's run next to it, with the least and the greatest. " +
		"*CPU* is seconds of user and system time a GiB, of the processes at both ends (the registry's own for push, pull and manifests); the client's is not in it.\n\n" +
		"| measure | against | runs | ours | theirs | ratio | target | met | CPU ours | CPU theirs |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range p.Rows {
		t.WriteString(r.String())
	}
	t.WriteString(p.Tables.String())
	return t.String()
}
