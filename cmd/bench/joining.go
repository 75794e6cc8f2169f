package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
)

// joins finds what a newcomer took, in what the benchmark of the path map says.
var joins = regexp.MustCompile(`^BenchmarkJoin/(\w+)/(state|history)\S*\s.*\s([0-9.]+) s/join`)

// joining compares taking the state of a map with reading its history, which a registry whose member
// offers no state does: no configuration of one asks for it, so the package's own benchmark measures.
func (b *bench) joining(ctx context.Context) error {
	paths := pick(b, 20_000, 100_000)
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkJoin$", "-benchtime", "1x", "-timeout", "30m", "./driver/internal/pathmap")
	cmd.Env = append(os.Environ(), fmt.Sprint("PATHS=", paths), "TMPDIR="+b.dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go test: %w: %s", err, out)
	}
	took := map[string]time.Duration{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if found := joins.FindStringSubmatch(lines.Text()); found != nil {
			seconds, err := strconv.ParseFloat(found[3], 64)
			if err != nil {
				return err
			}
			took[found[1]+" by "+found[2]] = time.Duration(seconds * float64(time.Second))
		}
	}
	for _, what := range []struct{ name, text string }{{"paths", "paths"}, {"overwrites", "overwrites of 1000 tags"}} {
		state, history := took[what.name+" by state"], took[what.name+" by history"]
		if state == 0 || history == 0 {
			return fmt.Errorf("the benchmark does not say how long joining with %s takes: %s", what.name, out)
		}
		b.Rows = append(b.Rows, report.Row{
			Measure: fmt.Sprintf("joining with %d %s over 20 ms, by state", paths, what.text), Against: "by history", Runs: 1,
			Ours: report.Short(state), Theirs: report.Short(history),
			Ratio: report.Exactly(history.Seconds() / state.Seconds()), Target: report.AtLeast(1),
		})
	}
	return nil
}
