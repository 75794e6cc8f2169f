package conns

import (
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// silence is how long a client may take to send or to take the next least bytes. nginx, which
	// is in front of many registries, waits 60 s.
	silence = 2 * time.Minute
	least   = 32 << 10
	// most is how many bytes are sent under one deadline: 128 KiB in two minutes are a kilobyte
	// a second.
	most = 128 << 10
	// leftover is how long the rest of a body may take that nobody has read when the answer
	// begins. The server reads some of it, so that the connection can go on.
	leftover = 10 * time.Second
)

// Moving gives up requests whose clients neither send nor take anything for two minutes, or no
// more than some hundred bytes a second. It does not count how long the registry itself takes.
func Moving(next http.Handler) http.Handler { return moving(next, silence) }

func moving(next http.Handler, silence time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &answer{ResponseWriter: w, control: http.NewResponseController(w), silence: silence}
		if r.Body != nil && r.Body != http.NoBody {
			a.body = &body{ReadCloser: r.Body, control: a.control, silence: silence, left: silence}
			r = r.WithContext(r.Context())
			r.Body = a.body
		}
		defer a.end()
		next.ServeHTTP(a, r)
	})
}

// body is what a client sends. It is read by one goroutine at a time, which need not be that of
// the answer: where a request is passed on, it is not.
type body struct {
	io.ReadCloser
	control *http.ResponseController
	silence time.Duration
	left    time.Duration // to wait for the client until it has sent the next least bytes
	got     int           // of these

	mu    sync.Mutex
	ended bool      // all of it was read
	over  bool      // the answer has ended, and deadlines are the server's again
	until time.Time // when the server gives up what nobody has read; zero: not said
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	began := time.Now()
	b.deadline(began.Add(b.left))
	n, err := b.ReadCloser.Read(p)
	if b.got += n; b.got >= least {
		b.got, b.left = 0, b.silence
	} else {
		b.left -= time.Since(began)
	}
	if err == io.EOF {
		b.mu.Lock()
		b.ended = true
		b.mu.Unlock()
	}
	// From here on the server only watches whether the client goes away, for as long as it takes.
	b.deadline(time.Time{})
	return n, err
}

func (b *body) deadline(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		_ = b.control.SetReadDeadline(at) // a server that has none does without
	}
}

// leave bounds how long the server reads on in a body that an answer does not wait for.
func (b *body) leave(over bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = over
	if b.until.IsZero() {
		b.until = time.Now().Add(leftover)
	}
	if !b.ended {
		_ = b.control.SetReadDeadline(b.until)
	}
}

// answer is what a client takes.
type answer struct {
	http.ResponseWriter
	control *http.ResponseController
	silence time.Duration
	body    *body // nil: there is none
	began   bool
}

// Unwrap gives what is below to http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if status >= http.StatusOK {
		a.begin()
	}
	a.ResponseWriter.WriteHeader(status)
}

// begin is for the server, which may read the rest of the body before the answer goes out.
func (a *answer) begin() {
	if !a.began && a.body != nil {
		a.body.leave(false)
	}
	a.began = true
}

// Write implements io.Writer.
func (a *answer) Write(p []byte) (sent int, err error) {
	a.begin()
	for {
		a.extend()
		n, err := a.ResponseWriter.Write(p[:min(len(p), most)])
		sent += n
		if p = p[n:]; err != nil || len(p) == 0 {
			return sent, err
		}
	}
}

// Flush implements http.Flusher.
func (a *answer) Flush() {
	a.begin()
	a.extend()
	_ = a.control.Flush() // as far as w can
}

func (a *answer) extend() { _ = a.control.SetWriteDeadline(time.Now().Add(a.silence)) }

// end is for what the server itself does when the handler has returned.
func (a *answer) end() {
	if a.body != nil {
		a.body.leave(true)
	}
	a.extend()
}
