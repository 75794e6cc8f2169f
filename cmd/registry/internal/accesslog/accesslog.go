// Package accesslog writes a line for each request, with the answer that the client
// received: distribution's own access log sits below the handlers that may change the
// answer.
//
//	handler = accesslog.Handler(os.Stdout, true, handler)
//
// Limits: a line is written when the answer has ended, and a line that cannot be written is
// lost.
package accesslog

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/handlers"
)

// Handler writes Apache's combined format to out, as distribution does, or JSON.
func Handler(out io.Writer, asJSON bool, next http.Handler) http.Handler {
	if !asJSON {
		return handlers.CombinedLoggingHandler(out, next)
	}
	return handlers.CustomLoggingHandler(out, next, writeJSON)
}

// line is the fields of the combined format.
type line struct {
	Level     string    `json:"level"`
	Message   string    `json:"msg"`
	Time      time.Time `json:"time"`
	Remote    string    `json:"remote"`
	User      string    `json:"user,omitempty"`
	Method    string    `json:"method"`
	URI       string    `json:"uri"`
	Proto     string    `json:"proto"`
	Status    int       `json:"status"`
	Size      int       `json:"size"`
	Referer   string    `json:"referer,omitempty"`
	UserAgent string    `json:"useragent,omitempty"`
}

func writeJSON(out io.Writer, p handlers.LogFormatterParams) {
	remote, _, err := net.SplitHostPort(p.Request.RemoteAddr)
	if err != nil {
		remote = p.Request.RemoteAddr
	}
	user, _, _ := p.Request.BasicAuth()
	_ = json.NewEncoder(out).Encode(line{ // an error is the writer's, and there is no other log to tell
		Level: "info", Message: "request", Time: p.TimeStamp, Remote: remote, User: user,
		Method: p.Request.Method, URI: p.URL.RequestURI(), Proto: p.Request.Proto, Status: p.StatusCode, Size: p.Size,
		Referer: p.Request.Referer(), UserAgent: p.Request.UserAgent(),
	})
}
