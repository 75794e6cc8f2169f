// Command bench measures the ipfs driver against its targets: against distribution's
// filesystem driver, and against other ways of bringing a file from one machine to another.
// All contenders are up at the same time and take turns, so only their ratios should be compared
// between machines.
//
//	bench -registry bin/registry -out docs/benchmarks.md
//	bench -registry bin/registry -quick -rows 'transfer|first'
//
// All bytes are unique, so that no content-addressed store gains by having seen them before.
//
// Limits: it runs on Linux. Rows with a round trip or a capped link are measured between
// network namespaces, which takes root and the commands ip and tc (package lab); without them
// these rows are left out, and the page says so.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/rival"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	run := measure
	if len(os.Args) > 1 && os.Args[1] == "rival" {
		run = func(ctx context.Context) error { return rival.Main(ctx, os.Args[2:]) }
	}
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", strings.TrimSpace(err.Error()))
		os.Exit(1)
	}
}

func measure(ctx context.Context) error {
	binary := flag.String("registry", "bin/registry", "the registry binary")
	out := flag.String("out", "", "write the tables to this file, too; what stands below them by hand is kept")
	quick := flag.Bool("quick", false, "small sizes and few runs")
	rows := flag.String("rows", "", "measure only what has a name like this regular expression: "+strings.Join(names(), ", "))
	profiles := flag.String("profiles", "", "take CPU profiles of transfers into this directory; costs some speed")
	flag.Parse()
	only, err := regexp.Compile(*rows)
	if err != nil {
		return fmt.Errorf("-rows: %w", err)
	}
	if *rows != "" && *out != "" {
		return fmt.Errorf("-rows with -out would leave the other rows out of %s", *out)
	}
	text, err := (&bench{binary: *binary, quick: *quick, profiles: *profiles}).all(ctx, only)
	fmt.Print(text)
	if err != nil || *out == "" {
		return err
	}
	return report.ReplaceTables(*out, text)
}
