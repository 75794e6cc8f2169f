// Command build builds a program whose clock is wrong by as much as the environment says, for
// scripts: REGISTRY_TEST_SKEW=3600 has it believe that it is an hour later.
//
//	go run ./cmd/internal/skewed/build ./cmd/registry late
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/skewed"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: build <package of main> <binary>")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := skewed.Build(ctx, os.Args[1], os.Args[2])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
