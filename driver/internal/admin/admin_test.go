package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
)

var errDisk = errors.New("the disk is gone")

// routes are of each kind; what they are asked with becomes the answer.
func routes() []admin.Route {
	thing := admin.Param{Name: "thing", About: "what is looked for"}
	find := func(_ context.Context, q admin.Query) (string, error) {
		switch of := q.Get("thing"); of {
		case "gone":
			return "", fmt.Errorf("look for it: %w", admin.NotFound(errors.New("it is not here")))
		case "wrong":
			return "", admin.Invalid(errors.New("that is no thing"))
		case "busy":
			return "", admin.Conflict(errors.New("it is in use"))
		case "broken":
			return "", errDisk
		case "late":
			return "", context.DeadlineExceeded
		default:
			return of + q.Get("undeclared"), nil
		}
	}
	return []admin.Route{
		admin.Get("/v1/things", "Find a thing.", find, thing),
		admin.Delete("/v1/things/{thing}", "Delete a thing.", find, thing),
		admin.Watch("/v1/counts", "Count to two.", func(_ context.Context, q admin.Query, tell func(int)) (string, error) {
			tell(1)
			tell(2)
			_, err := find(context.Background(), q)
			return "counted", err
		}, thing),
		admin.Task("/v1/work", "Work until told to end.", func(ctx context.Context, _ admin.Query, tell func(string)) (string, error) {
			tell("begun")
			<-ctx.Done()
			return "", ctx.Err()
		}),
	}
}

func serve(t *testing.T) (string, *admin.Answers) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	answers := admin.NewAnswers(routes())
	s, err := admin.Serve(path, answers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return path, answers
}

// TestARegistryThatIsKilled before it answers: what was asked is long, and says nothing of that.
func TestARegistryThatIsKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1))
			_ = conn.Close()
		}
	}()
	err = admin.NewClient(path).Do(t.Context(), http.MethodGet, "/v1/things", admin.Query{"thing": {"options"}}, new(string))
	if err == nil || !strings.Contains(err.Error(), "the registry stopped before it was done") || strings.Contains(err.Error(), "options") {
		t.Error(err)
	}
}

func TestErrorsKeepTheirReasonAndStatus(t *testing.T) {
	path, _ := serve(t)
	c := admin.NewClient(path)
	for thing, want := range map[string]admin.Error{
		"gone":   {Status: http.StatusNotFound, Reason: "look for it: it is not here"},
		"wrong":  {Status: http.StatusBadRequest, Reason: "that is no thing"},
		"busy":   {Status: http.StatusConflict, Reason: "it is in use"},
		"broken": {Status: http.StatusInternalServerError, Reason: errDisk.Error()},
		"late":   {Status: http.StatusGatewayTimeout, Reason: context.DeadlineExceeded.Error()},
	} {
		for _, err := range []error{
			c.Do(t.Context(), http.MethodGet, "/v1/things", admin.Query{"thing": {thing}}, new(string)),
			c.Do(t.Context(), http.MethodDelete, "/v1/things/"+thing, nil, new(string)),
		} {
			if got, ok := errors.AsType[*admin.Error](err); !ok || got.Status != want.Status || got.Reason != want.Reason {
				t.Errorf("%s: %#v, not %+v", thing, err, want)
			}
		}
	}
	if err := c.Do(t.Context(), http.MethodGet, "/v1/later", nil, new(string)); err == nil || !strings.Contains(err.Error(), "/v1/later") {
		t.Errorf("a route that does not exist: %v", err)
	}
	if err := admin.NewClient(path+"x").Do(t.Context(), http.MethodGet, "/v1/things", nil, new(string)); !errors.Is(err, admin.ErrNotRunning) {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestOnlyDeclaredParametersAreRead(t *testing.T) {
	path, _ := serve(t)
	var got string
	err := admin.NewClient(path).Do(t.Context(), http.MethodGet, "/v1/things", admin.Query{"thing": {"a b&c"}, "undeclared": {"!"}}, &got)
	if err != nil || got != "a b&c" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLinesAreFollowedToTheirEnd(t *testing.T) {
	path, _ := serve(t)
	c := admin.NewClient(path)
	follow := func(thing string) (lines, result string, err error) {
		err = c.Follow(t.Context(), http.MethodGet, "/v1/counts", admin.Query{"thing": {thing}}, func(l json.RawMessage) error {
			lines += string(l)
			return nil
		}, &result)
		return lines, result, err
	}
	if lines, result, err := follow(""); lines != "12" || result != "counted" || err != nil {
		t.Errorf("%q %q %v", lines, result, err)
	}
	if lines, _, err := follow("broken"); lines != "12" || err == nil || err.Error() != errDisk.Error() {
		t.Errorf("%q %v", lines, err)
	}
}

func TestATaskRunsAlone(t *testing.T) {
	path, answers := serve(t)
	c := admin.NewClient(path)
	work := func(begun func()) error {
		return c.Follow(t.Context(), http.MethodPost, "/v1/work", nil, func(json.RawMessage) error { begun(); return nil }, new(string))
	}
	begun, ended := make(chan struct{}), make(chan error)
	go func() { ended <- work(func() { close(begun) }) }()
	<-begun
	if err := work(func() { t.Error("a second one began") }); !errors.Is(err, admin.ErrBusy) {
		t.Errorf("a second one: %v", err)
	}
	answers.Close() // which ends the first, and waits for it
	if err := <-ended; err == nil {
		t.Error("the first one did not end with the registry")
	}
	err := c.Do(t.Context(), http.MethodGet, "/v1/things", nil, new(string))
	if e, ok := errors.AsType[*admin.Error](err); !ok || e.Status != http.StatusServiceUnavailable {
		t.Errorf("answered by a registry that was closed: %v", err)
	}
}

// TestClientsThatReadNothing hold up no shutdown: neither one that asked for more than the connection
// holds, nor one that follows what has no end.
func TestClientsThatReadNothing(t *testing.T) {
	writing := make(chan struct{}, 2)
	answers := admin.NewAnswers([]admin.Route{
		admin.Get("/v1/large", "A large answer.", func(context.Context, admin.Query) (string, error) {
			writing <- struct{}{}
			return strings.Repeat("x", 64<<20), nil
		}),
		admin.Watch("/v1/endless", "An answer without end.", func(ctx context.Context, _ admin.Query, tell func(string)) (string, error) {
			writing <- struct{}{}
			for ctx.Err() == nil {
				tell(strings.Repeat("x", 1<<20))
			}
			return "", ctx.Err()
		}),
	})
	srv := httptest.NewServer(answers.Handler(true))
	defer srv.Close()
	for _, path := range []string{"/v1/large", "/v1/endless"} {
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: registry\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		<-writing
	}
	answers.Close()
}

// TestFewAreAnsweredAtTheSameTime where whoever comes may ask; the operator's own socket answers all.
func TestFewAreAnsweredAtTheSameTime(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	answers := admin.NewAnswers([]admin.Route{admin.Get("/v1/slow", "A slow answer.", func(context.Context, admin.Query) (int, error) {
		begun <- struct{}{}
		<-end
		return 1, nil
	})})
	public, own := answers.Handler(true), answers.Handler(false)
	ask := func(h http.Handler) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/slow", nil))
		return w.Code
	}
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			if code := ask(public); code != http.StatusOK {
				t.Errorf("one of the first is answered with %d", code)
			}
		})
		<-begun
	}
	if code := ask(public); code != http.StatusServiceUnavailable {
		t.Errorf("one more is answered with %d", code)
	}
	all.Go(func() {
		if code := ask(own); code != http.StatusOK {
			t.Errorf("the operator is answered with %d", code)
		}
	})
	<-begun
	close(end)
	all.Wait()
}

// TestAnswersThatCannotBeWritten are errors.
func TestAnswersThatCannotBeWritten(t *testing.T) {
	answers := admin.NewAnswers([]admin.Route{
		admin.Get("/v1/once", "No number.", func(context.Context, admin.Query) (float64, error) { return math.NaN(), nil }),
		admin.Watch("/v1/lines", "No number.", func(context.Context, admin.Query, func(int)) (float64, error) { return math.NaN(), nil }),
	})
	path := filepath.Join(t.TempDir(), "s")
	s, err := admin.Serve(path, answers)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	c := admin.NewClient(path)
	for _, err := range []error{
		c.Do(t.Context(), http.MethodGet, "/v1/once", nil, new(float64)),
		c.Follow(t.Context(), http.MethodGet, "/v1/lines", nil, func(json.RawMessage) error { return nil }, new(float64)),
	} {
		if err == nil || !strings.Contains(err.Error(), "write the answer: ") {
			t.Error(err)
		}
	}
}

// TestNothingIsChangedWhereOneMayOnlyLook asks for each change where only questions are answered.
func TestNothingIsChangedWhereOneMayOnlyLook(t *testing.T) {
	h := admin.NewAnswers(routes()).Handler(true)
	for _, r := range routes() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), r.Method, strings.ReplaceAll(r.Path, "{thing}", "x"), nil))
		refused := w.Code == http.StatusNotFound || w.Code == http.StatusMethodNotAllowed
		if refused != r.Changes {
			t.Errorf("%s %s is answered with %d %s", r.Method, r.Path, w.Code, w.Body)
		}
	}
}

// TestClientsOfEarlierReleases asks as they did: they accept nothing by name, take 409 alone for a
// reason, and read it as text.
func TestClientsOfEarlierReleases(t *testing.T) {
	path, _ := serve(t)
	resp := raw(t, path, "GET /v1/things?thing=gone HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(resp, "HTTP/1.1 409 ") || !strings.HasSuffix(resp, "\r\n\r\nlook for it: it is not here\n") {
		t.Errorf("it reads %q", resp)
	}
}

// TestRegistriesOfEarlierReleases answers as they did.
func TestRegistriesOfEarlierReleases(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("DELETE /v1/things/{thing}", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "it is in use", http.StatusConflict)
	})
	srv := httptest.Server{Listener: l, Config: &http.Server{Handler: mux}}
	srv.Start()
	defer srv.Close()
	c := admin.NewClient(path)
	if err := c.Do(t.Context(), http.MethodDelete, "/v1/things/x", nil, new(string)); err == nil || err.Error() != "it is in use" {
		t.Errorf("a reason as text: %v", err)
	}
	if err := c.Do(t.Context(), http.MethodGet, "/v1/things", nil, new(string)); !errors.Is(err, admin.ErrEarlier) {
		t.Errorf("a route that it does not know: %v", err)
	}
}

func raw(t *testing.T, path, request string) string {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestStream: bytes come first, and then what came of it, or why nothing did.
func TestStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	content := strings.Repeat("\r\n--", 200_000)
	answers := admin.NewAnswers([]admin.Route{
		admin.Stream("/v1/bytes", "Some bytes.", func(ctx context.Context, q admin.Query, to io.Writer) (int, error) {
			if q.Has("endless") {
				for ctx.Err() == nil {
					if _, err := io.WriteString(to, content); err != nil {
						return 0, err
					}
				}
				return 0, ctx.Err()
			}
			n, err := io.WriteString(to, content)
			if q.Has("fails") {
				err = errDisk
			}
			return n, err
		}, admin.Param{Name: "fails"}, admin.Param{Name: "endless"}),
	})
	s, err := admin.Serve(path, answers)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	c := admin.NewClient(path)
	ask := func(q admin.Query, to io.Writer) (n int, err error) {
		return n, c.Stream(t.Context(), http.MethodPost, "/v1/bytes", q, to, &n)
	}
	var got strings.Builder
	if n, err := ask(nil, &got); err != nil || n != len(content) || got.String() != content {
		t.Errorf("%d of %d bytes: %v", n, got.Len(), err)
	}
	if _, err := ask(admin.Query{"fails": {""}}, io.Discard); err == nil || err.Error() != errDisk.Error() {
		t.Errorf("%v", err)
	}
	if _, err := ask(admin.Query{"endless": {""}}, full{}); !errors.Is(err, errDisk) {
		t.Errorf("%v", err)
	}
	if err := c.Stream(t.Context(), http.MethodPost, "/v1/none", nil, io.Discard, new(int)); err == nil {
		t.Error("no such route")
	}
	ended := make(chan error, 1)
	begun := make(chan struct{}, 1)
	go func() {
		_, err := ask(admin.Query{"endless": {""}}, beginning(begun))
		ended <- err
	}()
	<-begun
	answers.Close()
	if err := <-ended; err == nil {
		t.Error("cut, and taken for whole")
	}
}

// full is a disk that is.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errDisk }

// beginning says when something is written.
type beginning chan struct{}

func (b beginning) Write(p []byte) (int, error) {
	select {
	case b <- struct{}{}:
	default:
	}
	return len(p), nil
}
