package web

import (
	"net/http"
	"sync"
	"time"
)

// taken is an answer that its browser has to take: what is written and not taken within takeTime, or
// when the page ends, breaks the connection.
type taken struct {
	http.ResponseWriter
	control *http.ResponseController

	mu   sync.Mutex
	over bool // the page ends, or the answer has
}

func newTaken(w http.ResponseWriter) *taken {
	return &taken{ResponseWriter: w, control: http.NewResponseController(w)}
}

// Unwrap gives what is below to http.ResponseController.
func (t *taken) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// Write implements io.Writer.
func (t *taken) Write(b []byte) (int, error) {
	t.extend()
	return t.ResponseWriter.Write(b)
}

// FlushError is what http.ResponseController.Flush calls.
func (t *taken) FlushError() error {
	t.extend()
	return t.control.Flush()
}

func (t *taken) extend() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		_ = t.control.SetWriteDeadline(time.Now().Add(takeTime)) // a writer that has none does without
	}
}

// giveUp breaks the connection if its browser does not take at once what is written.
func (t *taken) giveUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		_ = t.control.SetWriteDeadline(time.Now())
	}
	t.over = true
}

// done bounds what the server still has to write of the answer. Then the server takes the deadline
// away, before the next request of the connection.
func (t *taken) done() {
	t.extend()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
}
