// Package refusals answers clients with the status that the storage driver gave to an
// error, when distribution would answer with another one.
//
//	handler = refusals.Handler(handler, route.New(config.HTTP.Prefix))
//
// Limits: once the first byte of an answer is out, its status can no longer change.
package refusals

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/route"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// Handler lets next answer, and replaces an error of next by the driver's newest refusal.
// distribution makes most errors of a driver a 500, and some a 400, 404 or 416, and it
// ignores that an upload could not be closed. A success is replaced, too, when the driver still
// holds a part of what it would acknowledge. All other answers pass through as they are
// written.
func Handler(next http.Handler, routes *route.Router) http.Handler {
	var pushes pushes
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := routes.Of(r)
		pushes.see(r, at)
		ctx, refused := driver.WithRefusals(r.Context())
		a := &answer{ResponseWriter: w, refused: refused.Last, unwritten: refused.Unwritten}
		if pushes.asksToPush(r, at) {
			a.refused = missing(refused.Last)
		}
		next.ServeHTTP(a, r.WithContext(ctx))
	})
}

// missing turns the refusal for bytes that no reachable registry holds into "not found".
func missing(refused func() *driver.Refusal) func() *driver.Refusal {
	return func() *driver.Refusal {
		r := refused()
		if r == nil || !r.Absent {
			return r
		}
		return &driver.Refusal{Status: http.StatusNotFound, Code: "MANIFEST_UNKNOWN", Err: r, Detail: r.Detail}
	}
}

// errUnwritten takes the place of a success that would be none.
var errUnwritten = errors.New("the push was not written as a whole: push again")

// answer is the response to the client, held back until its status is known. Like every
// http.ResponseWriter it is used by one goroutine at a time.
type answer struct {
	http.ResponseWriter
	refused   func() *driver.Refusal // nil: nothing was refused
	unwritten func() bool            // a part of what was pushed
	began     bool                   // the status is out
	replaced  bool                   // and it is not next's, whose body is dropped
}

// Unwrap gives what is below to http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.began || status < http.StatusOK {
		a.ResponseWriter.WriteHeader(status)
		return
	}
	a.began = true
	refusal := a.refused()
	if status < http.StatusBadRequest && a.unwritten() {
		refusal = &driver.Refusal{Status: http.StatusInternalServerError, Code: "UNKNOWN", Err: errUnwritten, Lost: true}
	}
	if refusal != nil && (status >= http.StatusBadRequest || refusal.Lost) {
		a.replaced = true
		Write(a.ResponseWriter, refusal)
		return
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (a *answer) Write(b []byte) (int, error) {
	if a.replaced {
		return len(b), nil
	}
	a.began = true
	return a.ResponseWriter.Write(b)
}

// ReadFrom implements io.ReaderFrom, so that a file can go out by sendfile.
func (a *answer) ReadFrom(src io.Reader) (int64, error) {
	if a.replaced {
		return io.Copy(io.Discard, src)
	}
	a.began = true
	return io.Copy(a.ResponseWriter, src)
}

// Flush implements http.Flusher.
func (a *answer) Flush() {
	a.began = true
	_ = http.NewResponseController(a.ResponseWriter).Flush() // as far as w can
}

// stale are the headers that describe the body which will not be sent.
var stale = []string{
	"Cache-Control", "Content-Encoding", "Content-Length", "Content-Range", "Docker-Content-Digest",
	"ETag", "Last-Modified", "Location", "Range",
}

// Write answers with a refusal: its status, and an error as the OCI distribution
// specification has it.
func Write(w http.ResponseWriter, r *driver.Refusal) {
	for _, name := range stale {
		w.Header().Del(name)
	}
	if r.Retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(r.Retry.Seconds()))))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.Status)
	_ = json.NewEncoder(w).Encode(body{[]one{{r.Code, r.Error(), r.Detail}}}) // the client has gone
}

// body is the OCI distribution specification's form of an error.
type body struct {
	Errors []one `json:"errors"`
}

type one struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Detail  any    `json:"detail,omitempty"`
}
