// Command release builds what a release consists of, the same, byte by byte, whenever it is built from
// one commit by one release of Go: static binaries, archives of them with man pages, completion and
// a list of what is in them (SPDX), packages for Debian and for RPM, and SHA256SUMS.
//
//	go run . -root ../.. -version v0.1.0
//	go run . -root ../.. -version v0.1.0 -targets linux/amd64 -out /tmp/dist
//
// Limits: changes that are not committed are refused, since nothing could be built from them again. The
// machine's own platform has to be among the targets: its binary writes the man pages.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("release: ")
	var r release
	flag.StringVar(&r.root, "root", ".", "the checkout")
	flag.StringVar(&r.out, "out", "dist", "where to write; it is emptied")
	flag.StringVar(&r.version, "version", "", "what is released, such as v0.1.0")
	names := flag.String("targets", strings.Join(allTargets, ","), "for which platforms")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := prepare(&r, *names)
	if err == nil {
		err = r.make(ctx)
	}
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// prepare checks what the command line says.
func prepare(r *release, names string) error {
	if flag.NArg() > 0 {
		return fmt.Errorf("takes no arguments: %q", flag.Args())
	}
	if err := checkVersion(r.version); err != nil {
		return err
	}
	var err error
	r.targets, err = parseTargets(names)
	return err
}
