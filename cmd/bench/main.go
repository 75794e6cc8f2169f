// Command bench measures the ipfs driver against distribution's filesystem
// driver: both registries run at the same time, take turns, and only ratios of
// medians are meant to be compared between machines.
//
//	bench -registry bin/registry -out docs/benchmarks.md
//
// All bytes are unique, so that a content-addressed store gains nothing by
// having seen them.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	binary := flag.String("registry", "bin/registry", "the registry binary")
	out := flag.String("out", "", "write the table to this file, too")
	quick := flag.Bool("quick", false, "small sizes and few runs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := bench(ctx, *binary, *quick)
	if err == nil && *out != "" {
		err = os.WriteFile(*out, []byte(report), 0o644)
	}
	fmt.Print(report)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", strings.TrimSpace(err.Error()))
		os.Exit(1)
	}
}
