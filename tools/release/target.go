package main

import (
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// allTargets are the platforms of a release, as images name theirs. On Windows it does not build:
// what a disk has free, and who has a datastore, is asked as Unix does.
var allTargets = []string{"linux/amd64", "linux/arm64", "linux/arm/v7", "linux/riscv64", "darwin/amd64", "darwin/arm64", "freebsd/amd64"}

// target is a platform.
type target struct{ os, arch, variant string }

// parseTargets reads a list of platforms, each once.
func parseTargets(names string) (all []target, err error) {
	for name := range strings.SplitSeq(names, ",") {
		if !slices.Contains(allTargets, name) {
			return nil, fmt.Errorf("-targets: %q is none of %s", name, strings.Join(allTargets, ", "))
		}
		parts := append(strings.Split(name, "/"), "")
		t := target{parts[0], parts[1], parts[2]}
		if slices.Contains(all, t) {
			return nil, fmt.Errorf("-targets: %q is there twice", name)
		}
		all = append(all, t)
	}
	if !slices.ContainsFunc(all, target.here) {
		return nil, fmt.Errorf("-targets: %s/%s, on which this runs, has to be among them: its binary writes the man pages", runtime.GOOS, runtime.GOARCH)
	}
	return all, nil
}

// String is the platform in names of files: linux-armv7.
func (t target) String() string { return t.os + "-" + t.arch + t.variant }

// here reports whether this machine runs what is built for the platform.
func (t target) here() bool { return t.os == runtime.GOOS && t.arch == runtime.GOARCH }

// environment makes the go command build for the platform, and for nothing better than it, whatever
// this machine's settings are.
func (t target) environment() []string {
	return []string{
		"CGO_ENABLED=0", "GOOS=" + t.os, "GOARCH=" + t.arch,
		"GOAMD64=v1", "GOARM64=v8.0", "GOARM=" + strings.TrimPrefix(t.variant, "v"), "GORISCV64=rva20u64",
		"GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off", "GOENV=off",
	}
}

var semantic = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$`)

// checkVersion refuses what Go, nfpm and changie would not all read alike.
func checkVersion(version string) error {
	if !semantic.MatchString(version) {
		return fmt.Errorf("-version: %q is no version such as v0.1.0", version)
	}
	return nil
}
