package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"syscall"
)

// ErrBusy reports that a verification is already running.
var ErrBusy = errors.New("a verification is already running")

// verifyLine is one line of the answer: progress, and at the end a result or an error.
type verifyLine[T any] struct {
	Progress T      `json:"progress,omitempty"`
	Result   T      `json:"result,omitempty"`
	Error    string `json:"error,omitempty"`
}

// Verify has the registry read its blobs, or those of an image, and mend them, and decodes
// the result into v. When ctx ends, the verification in the registry ends, too. progress is
// called about once a second, with the JSON of how far it is; its error ends Verify.
func (c *Client) Verify(ctx context.Context, image string, progress func(json.RawMessage) error, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://registry/v1/verify?image="+url.QueryEscape(image), nil)
	if err != nil {
		return err
	}
	patient := http.Client{Transport: c.http.Transport} // it may take hours
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
		var line verifyLine[json.RawMessage]
		if err := lines.Decode(&line); err != nil {
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

// verify answers line by line. One runs at a time: each reads all of the disk.
func (s *Server) verify(src Source) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.verifying.TryLock() {
			http.Error(w, ErrBusy.Error(), http.StatusConflict)
			return
		}
		defer s.verifying.Unlock()
		w.Header().Set("Content-Type", "application/x-ndjson")
		lines := json.NewEncoder(w)
		send := func(line verifyLine[any]) {
			_ = lines.Encode(line) // the client has gone: the context says so
			_ = http.NewResponseController(w).Flush()
		}
		result, err := src.Verify(r.Context(), r.URL.Query().Get("image"), func(p any) { send(verifyLine[any]{Progress: p}) })
		if err != nil {
			send(verifyLine[any]{Error: err.Error()})
			return
		}
		send(verifyLine[any]{Result: result})
	}
}
