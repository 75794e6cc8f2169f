package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	maxReason = 64 << 10 // bytes
	doTime    = time.Minute
)

// Client asks a running registry. It is safe for concurrent use.
type Client struct{ http http.Client }

// NewClient makes a client for the socket at path.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return &Client{http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Do asks by a route whose answer comes at once, within a minute, and decodes that into v. An
// *Error is the registry's; others are ErrNotRunning and ErrEarlier, and what happened on the way.
func (c *Client) Do(ctx context.Context, method, path string, q Query, v any) error {
	ctx, cancel := context.WithTimeout(ctx, doTime)
	defer cancel()
	resp, err := c.ask(ctx, method, path, q)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return fmt.Errorf("read the registry's answer: %w", err)
	}
	return nil
}

// Follow asks by a route whose answer comes line by line, and follows it to its end, which may take
// hours. It decodes the result into v. When ctx ends, what the registry does ends, too. progress
// is called with the JSON of each line of progress; its error ends Follow. Errors are those of
// Do, and ErrBusy.
func (c *Client) Follow(ctx context.Context, method, path string, q Query, progress func(json.RawMessage) error, v any) error {
	resp, err := c.ask(ctx, method, path, q)
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusConflict {
		return ErrBusy
	}
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := json.NewDecoder(resp.Body); ; {
		var l line[json.RawMessage]
		err := lines.Decode(&l)
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("ended before it was done: %w", context.Cause(ctx))
		}
		if err != nil {
			return fmt.Errorf("the registry stopped before it was done; run this again when it is up: %w", err)
		}
		switch {
		case l.Progress != nil:
			if err := progress(l.Progress); err != nil {
				return err
			}
		case l.Result != nil:
			return json.Unmarshal(l.Result, v)
		case l.Error != "":
			return errors.New(l.Error)
		}
	}
}

// Stream asks by a route whose answer begins with bytes, which it writes to to, and decodes what came of
// it into v. When ctx ends, or to fails, what the registry does ends, too. Errors are those of Follow,
// and that of to.
func (c *Client) Stream(ctx context.Context, method, path string, q Query, to io.Writer, v any) error {
	resp, err := c.ask(ctx, method, path, q)
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusConflict {
		return ErrBusy
	}
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, about, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("read the registry's answer: %w", err)
	}
	parts := multipart.NewReader(resp.Body, about["boundary"])
	var end line[json.RawMessage]
	bytes, err := parts.NextRawPart()
	if err == nil {
		out := &kept{Writer: to}
		if _, err = io.Copy(out, bytes); out.err != nil {
			return out.err
		}
	}
	if err == nil {
		bytes, err = parts.NextRawPart()
	}
	if err == nil {
		err = json.NewDecoder(bytes).Decode(&end)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("ended before it was done: %w", context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("the registry stopped before it was done; run this again when it is up: %w", err)
	case end.Error != "":
		return errors.New(end.Error)
	}
	return json.Unmarshal(end.Result, v)
}

// kept remembers the error with which a writer failed, to tell it from one of what is copied to it.
type kept struct {
	io.Writer
	err error
}

// Write implements io.Writer.
func (k *kept) Write(b []byte) (n int, err error) {
	n, k.err = k.Writer.Write(b)
	return n, k.err
}

func (c *Client) ask(ctx context.Context, method, path string, q Query) (*http.Response, error) {
	at := "http://registry" + path
	if len(q) > 0 {
		at += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, at, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, application/x-ndjson")
	resp, err := c.http.Do(req)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNotRunning
	}
	if err != nil {
		return nil, unanswered(err)
	}
	if resp.StatusCode != http.StatusOK {
		defer func() { _ = resp.Body.Close() }()
		return nil, refusal(resp)
	}
	return resp, nil
}

// unanswered is the error of a question to which there is no answer: without its URL, which has all options.
func unanswered(err error) error {
	if of, ok := errors.AsType[*url.Error](err); ok {
		err = of.Err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("the registry stopped before it was done; run this again when it is up: %w", err)
	}
	return fmt.Errorf("ask the running registry: %w", err)
}

// refusal reads an answer that is an error. Earlier releases give the reason as text.
func refusal(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReason))
	if err != nil {
		return fmt.Errorf("ask the running registry: %w", err)
	}
	e, said := &Error{Status: resp.StatusCode, Reason: strings.TrimSpace(string(body))}, failure{}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case kind == "application/json" && json.Unmarshal(body, &said) == nil && said.Error != "":
		e.Reason = said.Error
	case e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed:
		return ErrEarlier
	case e.Reason == "":
		e.Reason = "the running registry answered " + resp.Status
	}
	return e
}
