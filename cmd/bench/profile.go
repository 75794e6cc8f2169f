package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// profileSeconds is how much of a transfer is profiled, from its start.
const profileSeconds = 2

// profile takes CPU profiles of registries, if that was asked for, into files of
// the last run; wait for them before the registries do anything else.
func (b *bench) profile(ctx context.Context, name string, rs ...*registry) (wait func() error) {
	if b.profiles == "" {
		return func() error { return nil }
	}
	var g errgroup.Group
	for _, r := range rs {
		g.Go(func() error { return r.profile(ctx, filepath.Join(b.profiles, name+"-"+r.Name+".pprof")) })
	}
	return g.Wait
}

func (r *registry) profile(ctx context.Context, path string) error {
	url := fmt.Sprintf("http://127.0.0.1:%s/debug/pprof/profile?seconds=%d", r.debug, profileSeconds)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := r.Client.Do(req)
	if err != nil {
		return fmt.Errorf("profile %s: %w", r.Name, err)
	}
	defer func() { _ = resp.Body.Close() }()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(f, resp.Body)
	return err
}
