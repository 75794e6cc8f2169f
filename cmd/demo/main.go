// Command demo shows two registries that share their storage: it starts both on
// loopback, pushes an image to the first and pulls it from the second.
//
//	demo -registry bin/registry
//
// It needs no network: the image is made of parts of the Go toolchain.
//
// Limits: it gives up after three minutes, and removes all that the registries stored.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	binary := flag.String("registry", "bin/registry", "the registry binary")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	err := demo(ctx, *binary)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}
