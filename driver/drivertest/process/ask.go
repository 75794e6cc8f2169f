package process

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// Command is another command of the binary about this registry: its configuration is the
// last argument.
func (r *Registry) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, r.binary(), append(args, r.Config)...)
	cmd.Dir, cmd.Env = r.Dir, r.environment()
	return cmd
}

// Status is what `ipfs status` says. The registry has to run.
func (r *Registry) Status(ctx context.Context) (s driver.Status, err error) {
	out, err := r.Command(ctx, "ipfs", "status", "--json").Output()
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil {
		return s, fmt.Errorf("status of %s: %w", r.Name, err)
	}
	return s, nil
}

// Get asks the registry for a manifest or a blob and reads its answer to the end: the status, and
// the digest of the bytes that came, whatever they are.
func (r *Registry) Get(ctx context.Context, path string) (status int, digest string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.HTTP+path, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json")
	resp, err := cmp.Or(r.Client, http.DefaultClient).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, resp.Body); err != nil {
		return 0, "", err
	}
	return resp.StatusCode, "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// Address is the first multiaddr by which others join this registry, which need not run.
func (r *Registry) Address(ctx context.Context) (string, error) {
	out, err := r.Command(ctx, "ipfs", "id").Output()
	lines := strings.Fields(string(out))
	if err == nil && len(lines) < 2 {
		err = fmt.Errorf("it has none: %q", out)
	}
	if err != nil {
		return "", fmt.Errorf("address of %s: %w", r.Name, err)
	}
	return lines[1], nil
}

// AwaitMembers waits until the registry is connected to n others.
func (r *Registry) AwaitMembers(ctx context.Context, n int) error {
	return r.Await(ctx, fmt.Sprintf("has met %d other registries", n), func() bool {
		s, err := r.Status(ctx)
		connected := 0
		for _, m := range s.Members {
			if m.Connected {
				connected++
			}
		}
		return err == nil && connected >= n
	})
}
