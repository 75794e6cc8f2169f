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

// Verification is what came of reading blobs and comparing them with their CIDs.
type Verification struct {
	Running   bool      `json:"running"`   // the registry runs: others could be asked
	Image     string    `json:"image"`     // empty: all blobs that are here
	Blobs     int       `json:"blobs"`     // that were read
	Bytes     int64     `json:"bytes"`     // of these
	Elsewhere int       `json:"elsewhere"` // blobs that are not here, which is no fault
	Findings  []Finding `json:"findings"`  // one a blob with which something is wrong
}

// Finding is a blob with which something is wrong, and what was done.
type Finding struct {
	CID       string `json:"cid"`
	Digest    string `json:"digest"` // of its path; empty: nothing names it
	Size      int64  `json:"size"`   // bytes
	Fault     string `json:"fault"`
	BadLeaves int    `json:"bad_leaves"`
	Leaves    int    `json:"leaves"`
	Mended    bool   `json:"mended"`
	Done      string `json:"done"` // or why nothing was
}

// Unmended counts the findings that are as bad as before.
func (v Verification) Unmended() (n int) {
	for _, f := range v.Findings {
		if !f.Mended {
			n++
		}
	}
	return n
}

// VerifyProgress is how far a verification is.
type VerifyProgress struct {
	Blobs  int   `json:"blobs"` // done
	Of     int   `json:"of"`    // known so far
	Bytes  int64 `json:"bytes"` // read
	Faults int   `json:"faults"`
}

// ErrBusy reports that a verification runs already.
var ErrBusy = errors.New("a verification is running already")

// verifyLine is one line of the answer: progress, and at the end a result or an error.
type verifyLine struct {
	Progress *VerifyProgress `json:"progress,omitempty"`
	Result   *Verification   `json:"result,omitempty"`
	Error    string          `json:"error,omitempty"`
}

// Verify has the registry read its blobs, or those of an image, and mend them. When ctx
// ends, the verification in the registry ends, too. progress is called about once a second.
func (c *Client) Verify(ctx context.Context, image string, progress func(VerifyProgress)) (v Verification, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://registry/v1/verify?image="+url.QueryEscape(image), nil)
	if err != nil {
		return v, err
	}
	patient := http.Client{Transport: c.http.Transport} // it may take hours
	resp, err := patient.Do(req)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return v, ErrNotRunning
	}
	if err != nil {
		return v, fmt.Errorf("ask the running registry: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusConflict:
		return v, ErrBusy
	default:
		return v, fmt.Errorf("ask the running registry: %s", resp.Status)
	}
	for lines := json.NewDecoder(resp.Body); ; {
		var line verifyLine
		if err := lines.Decode(&line); err != nil {
			return v, fmt.Errorf("the registry stopped before it was done: %w", err)
		}
		switch {
		case line.Progress != nil:
			progress(*line.Progress)
		case line.Result != nil:
			return *line.Result, nil
		case line.Error != "":
			return v, errors.New(line.Error)
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
		send := func(line verifyLine) {
			_ = lines.Encode(line) // the client has gone: the context says so
			_ = http.NewResponseController(w).Flush()
		}
		result, err := src.Verify(r.Context(), r.URL.Query().Get("image"), func(p VerifyProgress) { send(verifyLine{Progress: &p}) })
		if err != nil {
			send(verifyLine{Error: err.Error()})
			return
		}
		send(verifyLine{Result: &result})
	}
}
