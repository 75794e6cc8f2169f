package main

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

// replaceTables writes the report in place of the last one's tables.
func replaceTables(path, report string) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if i := strings.Index(string(old), byHand); i >= 0 {
		report += string(old[i:])
	}
	return os.WriteFile(path, []byte(report), 0o644)
}

// page is what the measurements say.
type page struct {
	rows   []row           // of the table of targets
	notes  []string        // what was left out, and why
	tables strings.Builder // the other tables
}

// text is the page of a run that began then.
func (p *page) text(quick bool, began time.Time) string {
	var t strings.Builder
	t.WriteString(head(quick, began))
	for _, note := range p.notes {
		fmt.Fprintf(&t, "%s\n\n", note)
	}
	t.WriteString("## Targets\n\n" +
		"*Ratio* is the median of the runs' own ratios, one run of ours by the rival's beside it, with the least and the greatest. " +
		"*CPU* is seconds of user and system time a GiB, of the processes at both ends (the registry's own for push, pull and manifests); the client's is not in it.\n\n" +
		"| measure | against | runs | ours | theirs | ratio | target | met | CPU ours | CPU theirs |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range p.rows {
		t.WriteString(r.String())
	}
	t.WriteString(p.tables.String())
	return t.String()
}
