package admin

import (
	"context"
	"net/http"
	"time"
)

const (
	// takeTime is how long who asked may take to take the next mostTaken bytes.
	takeTime  = time.Minute
	mostTaken = 256 << 10
	// unflushed is how many bytes of an answer the server keeps to send them at its end, with their number.
	unflushed = 2 << 10
	// lastTime is the same once the registry shuts down, which waits for it.
	lastTime = time.Second
)

// taken is an answer that has to be taken: what is written and not taken in time breaks the
// connection, which ends the request's context.
type taken struct {
	http.ResponseWriter
	control *http.ResponseController
	ending  context.Context // of the registry
	sent    int             // bytes
}

// take makes an answer that has to be taken; done leaves the connection to the next request.
func take(ending context.Context, w http.ResponseWriter) (t *taken, done func()) {
	t = &taken{ResponseWriter: w, control: http.NewResponseController(w), ending: ending}
	hurry := context.AfterFunc(ending, t.extend)
	return t, func() {
		if t.sent > unflushed {
			_ = t.FlushError() // who asked has gone
		}
		hurry()
		_ = t.control.SetWriteDeadline(time.Time{})
	}
}

// Unwrap gives what is below to http.ResponseController.
func (t *taken) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// Write implements io.Writer.
func (t *taken) Write(b []byte) (sent int, err error) {
	for {
		t.extend()
		n, err := t.ResponseWriter.Write(b[:min(len(b), mostTaken)])
		sent, t.sent = sent+n, t.sent+n
		if b = b[n:]; err != nil || len(b) == 0 {
			return sent, err
		}
	}
}

// FlushError is what http.ResponseController.Flush calls.
func (t *taken) FlushError() error {
	t.extend()
	return t.control.Flush()
}

// extend gives what is written next its time. A writer that has no deadlines does without.
func (t *taken) extend() {
	_ = t.control.SetWriteDeadline(time.Now().Add(takeTime))
	if t.ending.Err() != nil { // looked at after that: else a shutdown meanwhile would be overwritten
		_ = t.control.SetWriteDeadline(time.Now().Add(lastTime))
	}
}
