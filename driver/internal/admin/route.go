package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"reflect"
	"time"
)

// Route is one question that a registry answers, or one thing that it does when it is asked to.
// Get, Delete, Watch, Task and Stream make one.
type Route struct {
	Method  string
	Path    string  // as http.ServeMux has it, such as /v1/members/{member}
	About   string  // one sentence: what it answers, or does
	Params  []Param // of the path, and of the query
	Changes bool    // something: it is answered on the socket alone

	// The types of the answer and of each progress before it; without Progress the answer is no lines.
	Answer, Progress reflect.Type
	Stream           bool // bytes come before the answer

	serve http.HandlerFunc
}

// Param is a parameter of a route.
type Param struct {
	Name  string
	About string
	JSON  reflect.Type // of a value that is JSON; nil: it is text
}

// Query is what a route is asked: the values of its parameters, by name.
type Query = url.Values

// Get is a question that is answered at once, and changes nothing. Several may be asked side by
// side.
func Get[A any](path, about string, answer func(context.Context, Query) (A, error), params ...Param) Route {
	return route(http.MethodGet, path, about, answer, params)
}

// Delete is a change that is made at once.
func Delete[A any](path, about string, do func(context.Context, Query) (A, error), params ...Param) Route {
	r := route(http.MethodDelete, path, about, do, params)
	r.Changes = true
	return r
}

// Watch is a question whose answer comes line by line, and ends with the context at the latest.
// It changes nothing. tell is called from one goroutine at a time.
func Watch[P, A any](path, about string, answer func(ctx context.Context, q Query, tell func(P)) (A, error), params ...Param) Route {
	return lined(http.MethodGet, path, about, answer, params)
}

// Task is a change that takes long: it tells how far it is, and ends with its context. One of a
// kind runs at a time. tell is called from one goroutine at a time.
func Task[P, A any](path, about string, do func(ctx context.Context, q Query, tell func(P)) (A, error), params ...Param) Route {
	r := lined(http.MethodPost, path, about, do, params)
	r.Changes = true
	r.serve = alone(r.serve)
	return r
}

// Stream is a task that writes bytes, and then tells what came of it: an answer of two parts.
func Stream[A any](path, about string, do func(ctx context.Context, q Query, to io.Writer) (A, error), params ...Param) Route {
	r := Route{Method: http.MethodPost, Path: path, About: about, Params: params, Answer: reflect.TypeFor[A](), Stream: true, Changes: true}
	r.serve = alone(func(w http.ResponseWriter, req *http.Request) {
		parts := multipart.NewWriter(w)
		w.Header().Set("Content-Type", "multipart/mixed; boundary="+parts.Boundary())
		to, err := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/octet-stream"}})
		if err != nil {
			return // who asked has gone
		}
		end := line[any]{}
		if end.Result, err = do(req.Context(), r.query(req), to); err != nil {
			end = line[any]{Error: err.Error()}
		}
		if to, err = parts.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/json"}}); err == nil {
			_, _ = to.Write(end.encoded())
			_ = parts.Close()
		}
	})
	return r
}

func route[A any](method, path, about string, answer func(context.Context, Query) (A, error), params []Param) Route {
	r := Route{Method: method, Path: path, About: about, Params: params, Answer: reflect.TypeFor[A]()}
	r.serve = func(w http.ResponseWriter, req *http.Request) {
		v, err := answer(req.Context(), r.query(req))
		if err != nil {
			fail(w, req, err)
			return
		}
		body, err := json.Marshal(v)
		if err != nil {
			fail(w, req, unwritten(err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(body, '\n')) // who asked has gone
	}
	return r
}

// unwritten says why there is no answer, whose values may be what other registries say.
func unwritten(err error) error { return fmt.Errorf("write the answer: %w", err) }

func lined[P, A any](method, path, about string, run func(context.Context, Query, func(P)) (A, error), params []Param) Route {
	r := Route{Method: method, Path: path, About: about, Params: params, Answer: reflect.TypeFor[A](), Progress: reflect.TypeFor[P]()}
	r.serve = func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		send := func(l line[any]) {
			_, _ = w.Write(l.encoded()) // the client has gone: the context says so
			_ = http.NewResponseController(w).Flush()
		}
		result, err := run(req.Context(), r.query(req), func(p P) { send(line[any]{Progress: p}) })
		if err != nil {
			send(line[any]{Error: err.Error()})
			return
		}
		send(line[any]{Result: result})
	}
	return r
}

// line is one line of an answer: progress, and at the end a result or an error.
type line[T any] struct {
	Progress T      `json:"progress,omitempty"`
	Result   T      `json:"result,omitempty"`
	Error    string `json:"error,omitempty"`
}

func (l line[T]) encoded() []byte {
	b, err := json.Marshal(l)
	if err != nil {
		b, _ = json.Marshal(line[T]{Error: unwritten(err).Error()}) // a text is always written
	}
	return append(b, '\n')
}

// ending is how long a task may take to end after its last line: a client that has read that may
// ask for the next task at once.
const ending = time.Second

// alone refuses a request while another one is being answered.
func alone(h http.HandlerFunc) http.HandlerFunc {
	running := make(chan struct{}, 1)
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case running <- struct{}{}:
		case <-time.After(ending):
			fail(w, r, Conflict(ErrBusy))
			return
		case <-r.Context().Done():
			return
		}
		defer func() { <-running }()
		h(w, r)
	}
}

// query are the values of the parameters that a request gives.
func (r Route) query(req *http.Request) Query {
	given, q := req.URL.Query(), Query{}
	for _, p := range r.Params {
		if v := req.PathValue(p.Name); v != "" {
			q.Set(p.Name, v)
		} else if given.Has(p.Name) {
			q[p.Name] = given[p.Name]
		}
	}
	return q
}
