package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/fleet"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
)

// bench is one run of all measurements, and their results.
type bench struct {
	binary, dir string
	quick       bool
	profiles    string   // directory for CPU profiles of transfers; "": none are taken
	lab         *lab.Lab // nil where networks cannot be made

	report.Page
}

// section measures something, and adds what it finds to the page.
type section struct {
	name string
	lab  bool // it needs network namespaces
	run  func(*bench, context.Context) error
}

func sections() []section {
	s := []section{
		{"blobs", false, (*bench).blobs},
		{"ack", false, (*bench).ack},
		{"manifests", false, (*bench).manifests},
		{"tree", false, (*bench).tree},
		{"entries", false, (*bench).entries},
		{"history", false, (*bench).history},
		{"joining", false, (*bench).joining},
		{"marking", false, (*bench).marking},
		{"repair", false, (*bench).repair},
		{"import", false, (*bench).importing},
	}
	for _, rtt := range []time.Duration{0, 20 * time.Millisecond, 60 * time.Millisecond} {
		s = append(s, section{fmt.Sprintf("transfer-%dms", rtt.Milliseconds()), rtt > 0,
			func(b *bench, ctx context.Context) error { return b.transfer(ctx, rtt) }})
	}
	return append(s,
		section{"holders", true, (*bench).holders},
		section{"crowd", true, (*bench).crowd},
		section{"first-byte", true, (*bench).firstByte},
		section{"memory", false, (*bench).memory},
		section{"images", false, (*bench).images},
		section{"images-layers-0ms", false, func(b *bench, ctx context.Context) error { return b.layers(ctx, 0) }},
		section{"images-layers-20ms", true, func(b *bench, ctx context.Context) error { return b.layers(ctx, 20*time.Millisecond) }},
		section{"images-idle", false, (*bench).idle})
}

func names() (list []string) {
	for _, s := range sections() {
		list = append(list, s.name)
	}
	return list
}

// pick chooses between a quick run and a whole one.
func pick[T any](b *bench, quick, whole T) T {
	if b.quick {
		return quick
	}
	return whole
}

// all measures the sections whose name matches.
func (b *bench) all(ctx context.Context, only *regexp.Regexp) (text string, err error) {
	began := time.Now()
	if b.dir, err = workDir(); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := b.openLab(); err != nil {
		return "", err
	}
	if b.lab != nil {
		defer func() { err = errors.Join(err, b.lab.Close()) }()
	}
	for _, s := range sections() {
		if !only.MatchString(s.name) || s.lab && b.lab == nil {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), s.name)
		if err := b.touchMemory(ctx); err != nil {
			return b.Text(b.quick, began), err
		}
		if err := s.run(b, ctx); err != nil {
			return b.Text(b.quick, began), fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return b.Text(b.quick, began), ctx.Err()
}

// openLab notes which sections are left out when networks cannot be made.
func (b *bench) openLab() (err error) {
	b.lab, err = lab.Open()
	if !errors.Is(err, lab.ErrUnable) {
		return err
	}
	var without []string
	for _, s := range sections() {
		if s.lab {
			without = append(without, s.name)
		}
	}
	b.skip("Left out, because this run %v: %s.", err, strings.Join(without, ", "))
	b.lab = nil
	return nil
}

func (b *bench) skip(format string, args ...any) {
	note := fmt.Sprintf(format, args...)
	if slices.Contains(b.Notes, note) {
		return
	}
	b.Notes = append(b.Notes, note)
	fmt.Fprintln(os.Stderr, note)
}

// scratch makes a directory for one section; remove takes it away.
func (b *bench) scratch() (dir string, remove func(), err error) {
	if dir, err = os.MkdirTemp(b.dir, ""); err != nil {
		return "", nil, err
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil // what cannot be removed now is at the end
}

// profile takes CPU profiles of registries, if that was asked for; those of an earlier run are
// overwritten. Wait for them before the registries do anything else.
func (b *bench) profile(ctx context.Context, name string, rs ...*fleet.Registry) (wait func() error) {
	if b.profiles == "" {
		return func() error { return nil }
	}
	var g errgroup.Group
	for _, r := range rs {
		g.Go(func() error { return r.Profile(ctx, filepath.Join(b.profiles, name+"-"+r.Name+".pprof")) })
	}
	return g.Wait
}
