package fleet

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
)

// profileSeconds is how much of a transfer is profiled, from its start.
const profileSeconds = 2

// Profile takes a CPU profile of the registry, which has a debug server, into a file.
func (r *Registry) Profile(ctx context.Context, path string) error {
	url := fmt.Sprintf("http://127.0.0.1:%s/debug/pprof/profile?seconds=%d", r.Debug, profileSeconds)
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
