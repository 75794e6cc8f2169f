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

// Status asks for the whole status.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.get(ctx, "/v1/status", &s)
	return s, err
}

// ID asks for the registry's identity.
func (c *Client) ID(ctx context.Context) (id Identity, err error) {
	err = c.get(ctx, "/v1/id", &id)
	return id, err
}

// Forget has the registry forget a member. A Refused error is the registry's answer.
func (c *Client) Forget(ctx context.Context, member string) (m Member, err error) {
	err = c.do(ctx, http.MethodDelete, "/v1/members/"+url.PathEscape(member), &m)
	return m, err
}

// Refused is the reason for which a registry did not do what it was asked to do.
type Refused string

// Error implements error.
func (r Refused) Error() string { return string(r) }

func (c *Client) get(ctx context.Context, path string, v any) error {
	return c.do(ctx, http.MethodGet, path, v)
}

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
