package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// ErrNotRunning reports that no registry answers on a socket.
var ErrNotRunning = errors.New("the registry is not running")

const maxReason = 64 << 10 // bytes

// Client asks a running registry.
type Client struct{ http *http.Client }

// NewClient makes a client for the socket at path.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return &Client{&http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Status asks for the whole status, and decodes it into v.
func (c *Client) Status(ctx context.Context, v any) error {
	return c.do(ctx, http.MethodGet, "/v1/status", v)
}

// ID asks for the registry's identity, and decodes it into v.
func (c *Client) ID(ctx context.Context, v any) error { return c.do(ctx, http.MethodGet, "/v1/id", v) }

// Forget has the registry forget a member, and decodes what it was into v. A Refused error
// is the registry's answer.
func (c *Client) Forget(ctx context.Context, member string, v any) error {
	return c.do(ctx, http.MethodDelete, "/v1/members/"+url.PathEscape(member), v)
}

// Where asks which registries have what of an image or a digest, and decodes the answer into v.
// Errors are those of Forget.
func (c *Client) Where(ctx context.Context, of string, v any) error {
	return c.do(ctx, http.MethodGet, "/v1/where?"+url.Values{"of": {of}}.Encode(), v)
}

// Refused is the reason for which a registry did not do what it was asked to do.
type Refused string

// Error implements error.
func (r Refused) Error() string { return string(r) }

func (c *Client) do(ctx context.Context, method, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://registry"+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return ErrNotRunning
	}
	if err != nil {
		return fmt.Errorf("ask the running registry: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusConflict {
		reason, err := io.ReadAll(io.LimitReader(resp.Body, maxReason))
		if err != nil {
			return fmt.Errorf("ask the running registry: %w", err)
		}
		return Refused(strings.TrimSpace(string(reason)))
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the running registry: %s", resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(v)
}
