// Command image makes the registry's image for all platforms, without docker, of the binaries of `make
// release`: an OCI layout, and an archive for `docker load` of each platform. The same binaries give
// the same digests.
//
//	go run ./deploy/image -version v0.1.0 -commit 4ca5caf… -date 2026-11-28T12:00:00Z
//	go run ./deploy/image … -push ghcr.io/distribution-ipfs/distribution-ipfs
//
// Limits: credentials for -push are docker's own, of ~/.docker/config.json. Time zones are those of the Go
// that builds it, certificates those of golang.org/x/crypto/x509roots in go.mod.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("image: ")
	var r release
	flag.StringVar(&r.version, "version", "", "what is released, such as v0.1.0")
	flag.StringVar(&r.commit, "commit", "", "of which commit")
	date := flag.String("date", "", "the date of the commit, as in RFC 3339")
	binaries := flag.String("binaries", "dist/build", "where the binaries are: linux-amd64/registry, …")
	out := flag.String("out", "dist/image", "where to write; it is emptied")
	push := flag.String("push", "", "a repository to push it to, tagged as the version is called")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := r.run(ctx, *date, *binaries, *out, *push)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// run makes the image, writes it, and pushes it where that is asked for.
func (r *release) run(ctx context.Context, date, binaries, out, push string) (err error) {
	if r.version == "" || r.commit == "" {
		return errors.New("name -version and -commit")
	}
	if r.date, err = time.Parse(time.RFC3339, date); err != nil {
		return fmt.Errorf("-date: %w", err)
	}
	work, err := os.MkdirTemp("", "image-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	zones, err := zoneinfo(ctx)
	if err != nil {
		return err
	}
	built, err := r.build(work, binaries, zones)
	if err != nil {
		return err
	}
	if err := built.write(out, r.version); err != nil {
		return err
	}
	digest, err := built.index.Digest()
	if err != nil {
		return err
	}
	log.Printf("%s of %d platforms", digest, len(built.images))
	if push == "" {
		return nil
	}
	return upload(ctx, push+":"+r.version, built.index)
}

// zoneinfo is where this machine's Go has the time zones of its release.
func zoneinfo(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"), nil
}

func upload(ctx context.Context, to string, index v1.ImageIndex) error {
	tag, err := name.NewTag(to)
	if err != nil {
		return fmt.Errorf("-push: %w", err)
	}
	if err := remote.WriteIndex(tag, index, remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("push %s: %w", tag, err)
	}
	return nil
}
