package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestChangesAreToldOnce: the last at the start, then what no answer before had, wherever in the history
// it stands, but not what was beyond the end of the answer before.
func TestChangesAreToldOnce(t *testing.T) {
	answer := func(more bool, tags ...string) (l driver.Log) {
		for _, tag := range tags {
			c := driver.LogChange{What: "tagged", Repository: "a", Tag: tag, At: &noon}
			if strings.HasPrefix(tag, "gone") {
				c.What, c.At = "untagged", nil
			}
			l.Changes = append(l.Changes, c)
		}
		if more {
			l.Next = "a mark"
		}
		return l
	}
	f := logFollower{first: 2}
	for i, step := range []struct {
		l    driver.Log
		want string
	}{
		{answer(false, "3", "2", "1"), "2 3"},
		{answer(false, "3", "2", "1"), ""},
		{answer(false, "5", "4", "3", "2", "1"), "4 5"},
		{answer(false, "5", "4", "3", "2", "1b", "1"), "1b"},     // from the other side of a partition
		{answer(false, "5", "4", "3", "2", "1b", "1", "0"), "0"}, // likewise
		{answer(true, "6", "5", "4", "3", "2"), "6"},
		{answer(true, "6", "5", "4", "3", "2", "1b"), ""}, // it was beyond the end
		{answer(true, "7", "gone", "6", "5", "4"), "7"},   // when is forgotten: it was told, or is old
	} {
		var got []string
		for _, c := range f.news(step.l) {
			got = append(got, c.Tag)
		}
		if is := strings.Join(got, " "); is != step.want {
			t.Errorf("%d: told %q, not %q", i, is, step.want)
		}
	}
}

// TestALineOfTheLog has all that the table has, and no orders for a terminal.
func TestALineOfTheLog(t *testing.T) {
	digest := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	c := driver.LogChange{What: "moved", Repository: "team/app", Tag: "1\x1b[2J", Digest: digest("a"), From: []string{digest("b")}, By: driver.Author{PeerID: attic, Name: "attic"}, At: &noon}
	c.Conflict = &driver.TagConflict{Won: driver.TagVersion{Digest: digest("a")}, Lost: []driver.TagVersion{{Digest: digest("c")}}}
	want := fmt.Sprintf("%s  tag moved         team/app:1 [2J  sha256:aaaaaaaaaaaa  before sha256:bbbbbbbbbbbb  by attic  conflict: won over sha256:cccccccccccc", noon.Format(logTime))
	if got := logLine(c, digestText(false), time.UTC, false); got != want {
		t.Errorf("%s\nis not\n%s", got, want)
	}
	if got := logLine(driver.LogChange{What: "deleted", Repository: "a", Digest: digest("a")}, digestText(false), time.UTC, false); strings.Contains(got, "by") || !strings.HasPrefix(got, "-  manifest deleted") {
		t.Error(got)
	}
}
