package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
)

const historyTags = 100

// lengthen has one client move tags until a registry that counts the changes has so many: one after the
// other, because what is dropped is counted by how many follow each other. They are counted only a moment
// after a start.
func (t *trial) lengthen(ctx context.Context) error {
	for n := 0; n < t.o.history; n += historyTags {
		kept := 0
		for _, r := range t.swarm.all {
			st, err := r.ask(ctx)
			if err != nil {
				return fmt.Errorf("status of %s: %w", r.Name, err)
			}
			kept = max(kept, st.Map.History.Kept+st.Map.History.Compacted)
		}
		if kept >= t.o.history {
			return nil
		}
		if err := t.load.clients[0].moveTags(ctx); err != nil {
			return err
		}
	}
	return nil // each has made a change, though no registry may count them
}

// moveTags pushes manifests that are there, by other tags.
func (c *client) moveTags(ctx context.Context) error {
	some := c.some()
	for some == nil {
		if err := ctx.Err(); err != nil {
			return err
		}
		some = c.some()
	}
	manifest, err := c.manifest(ctx, some)
	for n := 0; n < historyTags && err == nil; n++ {
		err = c.put(ctx, fmt.Sprintf("moved%d", n), manifest)
	}
	return err
}

func (c *client) manifest(ctx context.Context, i *image) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.home.HTTP+"/v2/"+c.repo+"/manifests/"+i.digest, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", manifestType)
	resp, err := c.home.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read %s@%s at %s: %s", c.repo, i.digest, c.home.Name, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}

func (c *client) put(ctx context.Context, tag string, manifest []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+c.home.HTTP+"/v2/"+c.repo+"/manifests/"+tag, bytes.NewReader(manifest))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", manifestType)
	resp, err := c.home.Client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("move %s:%s at %s: %s", c.repo, tag, c.home.Name, resp.Status)
	}
	return nil
}

const manifestType = "application/vnd.oci.image.manifest.v1+json"
