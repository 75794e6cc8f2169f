package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/rivo/uniseg"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/doctor"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// orders is what a member may be called: it clears the terminal in three ways, forges a line and a
// column, rings, and turns the direction of the text around.
const orders = "evil\x1b[2J\u009b2J\x9b2J\r\n\tOK\a\u202e\U000e0001\x7f"

// TestNothingThatOthersSayIsAnOrder to the terminal on which it is printed, by any command.
func TestNothingThatOthersSayIsAnOrder(t *testing.T) {
	story := someStories()[0]
	story.Result, story.For, story.Error, story.Limit.Name, story.Sources[0].Name = orders, orders, orders, orders, orders
	stories := driver.TransferStories{Running: []driver.TransferStory{story}, Finished: []driver.TransferStory{story}}
	swarm := driver.SwarmStatus{Members: []driver.SwarmMember{{
		Name: orders, Version: orders, Trouble: orders, LastError: &driver.SwarmTrouble{Text: orders},
	}}}
	found := []doctor.Finding{
		{Kind: "k", Severity: doctor.Broken, Subject: orders, What: orders, Means: "m", Remedy: "r"},
		{Check: "c", Severity: doctor.Unknown, Subject: orders, What: orders},
	}
	member := driver.Member{Name: orders, Zone: orders, Addresses: []string{orders}, NotFollowed: &driver.NotFollowed{Reason: orders}}
	for name, write := range map[string]func(io.Writer) error{
		"status": func(w io.Writer) error {
			return printSections(w, statusSections(driver.Status{Members: []driver.Member{member}}, true))
		},
		"swarm":     func(w io.Writer) error { return printSections(w, swarmSections(swarm, noon, true)) },
		"transfers": func(w io.Writer) error { return printSections(w, transfersSections(stories, noon, true, true)) },
		"follow":    func(w io.Writer) error { return (&transferLines{out: w, zone: time.UTC}).tell(stories) },
		"bars": func(w io.Writer) error {
			_, err := fmt.Fprintln(w, strings.Join(barLines(stories.Running, 20), "\n"))
			return err
		},
		"diff": func(w io.Writer) error {
			return printDiff(w, driver.Diff{A: driver.DiffImage{Of: orders, Only: []string{orders}}, Platforms: []driver.PlatformDiff{{Platform: orders}}})
		},
		"doctor": func(w io.Writer) error { return printFindings(w, found) },
		"drain":  func(w io.Writer) error { drainProgress(w).tell(driver.DrainState{Reason: orders}); return nil },
		"json":   func(w io.Writer) error { return printJSON(w, swarm) },
	} {
		var out strings.Builder
		if err := write(&out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		odd := func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }
		if i := strings.IndexFunc(out.String(), odd); i >= 0 || !strings.Contains(out.String(), "evil") || strings.Contains(out.String(), "\nOK") {
			t.Errorf("%s: at %d of %q", name, i, out.String())
		}
	}
}

// TestJSONSaysWhatWasSaid, however it is written.
func TestJSONSaysWhatWasSaid(t *testing.T) {
	var out strings.Builder
	if err := printJSON(&out, orders); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil || got != strings.ToValidUTF8(orders, "\ufffd") {
		t.Errorf("%q, %v", got, err)
	}
}

// TestNumbersOfAnyKindAreShown, also those that no registry that is well has.
func TestNumbersOfAnyKindAreShown(t *testing.T) {
	for got, want := range map[string]string{
		bytesText(-1): "0 B", perSecond(-1): "0 B/s", perSecond(math.MaxFloat64): "4.0 EiB/s",
		fmt.Sprint(share(math.MaxInt64/2, math.MaxInt64)): "49", fmt.Sprint(share(-5, 10)): "0", fmt.Sprint(share(11, 10)): "100",
		fmt.Sprint(share(0, 0)): "0", bar(math.MinInt64, math.MaxInt64): strings.Repeat("░", barWidth),
		bar(math.MaxInt64, math.MaxInt64): strings.Repeat("█", barWidth),
	} {
		if got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}

// TestBarsFitTheTerminal as large as it is each time: what was drawn is cleared, and no more.
func TestBarsFitTheTerminal(t *testing.T) {
	var out strings.Builder
	columns, rows := 60, 24
	lines := &transferLines{out: &out, size: func() (int, int) { return columns, rows }, zone: time.UTC}
	running := driver.TransferStories{Running: make([]driver.TransferStory, 5)}
	for i := range running.Running {
		running.Running[i] = someStories()[0]
		running.Running[i].Sources[0].Name = "ラ" + strings.Repeat("名", 40)
	}
	for _, c := range []struct{ columns, rows, up, bars int }{
		{60, 24, 0, 5}, {60, 24, 5, 5}, {30, 24, 10, 5}, {100, 24, 5, 5}, {100, 6, 5, 4}, {40, 1, 10, 1},
	} {
		columns, rows = c.columns, c.rows
		out.Reset()
		if err := lines.tell(running); err != nil {
			t.Fatal(err)
		}
		up, drawn, _ := strings.Cut(out.String(), "\r\x1b[J")
		if c.up == 0 {
			up, drawn = "", out.String()
		}
		all := strings.Split(strings.TrimSuffix(drawn, "\n"), "\n")
		if c.up > 0 && up != fmt.Sprintf("\x1b[%dA", c.up) || len(all) != c.bars {
			t.Errorf("%+v: %q", c, out.String())
		}
		for _, line := range all {
			if uniseg.StringWidth(line) >= max(c.columns, 2) {
				t.Errorf("%+v: %q is too wide", c, line)
			}
		}
	}
}
