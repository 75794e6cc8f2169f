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

func (b *bench) report(began time.Time) string {
	var t strings.Builder
	t.WriteString(head(b.quick, began))
	for _, note := range b.notes {
		fmt.Fprintf(&t, "%s\n\n", note)
	}
	t.WriteString("## Targets\n\n" +
		"*Ratio* is the median of the runs' own ratios, one run of ours by the rival's beside it, with the least and the greatest. " +
		"*CPU* is seconds of user and system time a GiB, of the processes at both ends (the registry's own for push, pull and manifests); the client's is not in it.\n\n" +
		"| measure | against | runs | ours | theirs | ratio | target | met | CPU ours | CPU theirs |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range b.rows {
		t.WriteString(r.String())
	}
	t.WriteString(b.tables.String())
	return t.String()
}
