package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"sync"
	"syscall"
)

// ErrBusy reports that a task of the same kind is already running.
var ErrBusy = errors.New("it is already running")

// task is something that takes long: it tells how far it is, and ends with its context. One
// of a kind runs at a time.
type task struct {
	running sync.Mutex
	run     func(ctx context.Context, q url.Values, progress func(any)) (any, error)
}

// taskLine is one line of the answer: progress, and at the end a result or an error.
type taskLine[T any] struct {
	Progress T      `json:"progress,omitempty"`
	Result   T      `json:"result,omitempty"`
	Error    string `json:"error,omitempty"`
}

// ServeHTTP runs the task, and answers line by line.
func (t *task) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !t.running.TryLock() {
		http.Error(w, ErrBusy.Error(), http.StatusConflict)
		return
	}
	defer t.running.Unlock()
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	send := func(line taskLine[any]) {
		_ = lines.Encode(line) // the client has gone: the context says so
		_ = http.NewResponseController(w).Flush()
	}
	result, err := t.run(r.Context(), r.URL.Query(), func(p any) { send(taskLine[any]{Progress: p}) })
	if err != nil {
		send(taskLine[any]{Error: err.Error()})
		return
	}
	send(taskLine[any]{Result: result})
}

// end waits for a run, and lets no other one begin.
func (t *task) end() { t.running.Lock() }

// Verify has the registry read its blobs, or those of an image, and mend them, and decodes
// the result into v. When ctx ends, the verification in the registry ends, too. progress is
// called about once a second, with the JSON of how far it is; its error ends Verify.
func (c *Client) Verify(ctx context.Context, image string, progress func(json.RawMessage) error, v any) error {
	return c.task(ctx, "/v1/verify", url.Values{"image": {image}}, progress, v)
}

// Collect has the registry collect garbage, as options say, and decodes the result into v. It
// is like Verify otherwise.
func (c *Client) Collect(ctx context.Context, options any, progress func(json.RawMessage) error, v any) error {
	text, err := json.Marshal(options)
	if err != nil {
		return err
	}
	return c.task(ctx, "/v1/collect", url.Values{"options": {string(text)}}, progress, v)
}

// Drain has the registry be drained and, with wait, waits until it may be switched off. It
// decodes how far that is into v. It is like Verify otherwise.
func (c *Client) Drain(ctx context.Context, wait bool, progress func(json.RawMessage) error, v any) error {
	q := url.Values{}
	if wait {
		q.Set("wait", "")
	}
	return c.task(ctx, "/v1/drain", q, progress, v)
}

// Undrain ends that, and decodes the answer into v. A Refused error is the registry's answer.
func (c *Client) Undrain(ctx context.Context, v any) error {
	return c.do(ctx, http.MethodDelete, "/v1/drain", v)
}

// task starts a task, and follows it to its end, which may take hours.
func (c *Client) task(ctx context.Context, path string, q url.Values, progress func(json.RawMessage) error, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://registry"+path+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	patient := http.Client{Transport: c.http.Transport}
	resp, err := patient.Do(req)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return ErrNotRunning
	}
	if err != nil {
		return fmt.Errorf("ask the running registry: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusConflict:
		return ErrBusy
	default:
		return fmt.Errorf("ask the running registry: %s", resp.Status)
	}
	for lines := json.NewDecoder(resp.Body); ; {
		var line taskLine[json.RawMessage]
		err := lines.Decode(&line)
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("ended before it was done: %w", context.Cause(ctx))
		}
		if err != nil {
			return fmt.Errorf("the registry stopped before it was done: %w", err)
		}
		switch {
		case line.Progress != nil:
			if err := progress(line.Progress); err != nil {
				return err
			}
		case line.Result != nil:
			return json.Unmarshal(line.Result, v)
		case line.Error != "":
			return errors.New(line.Error)
		}
	}
}
