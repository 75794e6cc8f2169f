package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// pipes is a listener without a network: what one end does not read, the other cannot write.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }
func (p pipes) Close() error   { close(p.closed); return nil }

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// browsers are those of a page whose registry has a name that changes, and whose members were asked
// so often.
type browsers struct {
	*Page
	t     *testing.T
	pipes pipes
	name  atomic.Pointer[string]
	asked atomic.Int64
	over  atomic.Uint64 // transfers
	conns []net.Conn
}

func browse(t *testing.T) *browsers {
	b := &browsers{Page: newPage(), t: t, pipes: pipes{make(chan net.Conn), make(chan struct{})}}
	b.named("attic")
	b.says = says{
		here: share(b.Page, hereTime, func(context.Context) (here, error) { return here{Name: *b.name.Load()}, nil }),
		swarm: share(b.Page, swarmTime, func(ctx context.Context) (driver.SwarmStatus, error) {
			b.asked.Add(1)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			return driver.SwarmStatus{Members: []driver.SwarmMember{{Name: fmt.Sprint(b.asked.Load())}}}, ctx.Err()
		}),
		transfers: func(after uint64) (s driver.TransferStories) {
			for n := after + 1; n <= b.over.Load(); n++ {
				s.Finished = append(s.Finished, driver.TransferStory{Number: n})
			}
			return s
		},
	}
	mux := http.NewServeMux()
	mux.Handle("/", b.Page)
	mux.HandleFunc("/other", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }) // which knows no deadlines
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(b.pipes)
	}()
	t.Cleanup(func() {
		b.leave()
		b.Close()
		_ = server.Close()
		<-ended
	})
	return b
}

func (b *browsers) named(name string) { b.name.Store(&name) }

// ask sends a request, and reads nothing.
func (b *browsers) ask(path string) net.Conn {
	b.t.Helper()
	here, there := net.Pipe()
	b.pipes.conns <- there
	if _, err := fmt.Fprintf(here, "GET %s HTTP/1.1\r\nHost: page\r\n\r\n", path); err != nil {
		b.t.Fatal(err)
	}
	b.conns = append(b.conns, here)
	return here
}

// leave closes all connections of the browsers.
func (b *browsers) leave() {
	for _, c := range b.conns {
		_ = c.Close()
	}
}

func (b *browsers) open(path string) *http.Response {
	b.t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(b.ask(path)), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp
}

// events are those of a stream.
type events struct {
	t     *testing.T
	lines *bufio.Scanner
}

func (b *browsers) watch(view string) events {
	b.t.Helper()
	resp := b.open("/events?view=" + view)
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || kind != "text/event-stream" {
		b.t.Fatalf("%s, %s", resp.Status, kind)
	}
	return events{b.t, bufio.NewScanner(resp.Body)}
}

// next is the data of the next event of a name.
func (e events) next(name string) string {
	e.t.Helper()
	for e.lines.Scan() {
		if e.lines.Text() == "event: "+name && e.lines.Scan() {
			return strings.TrimPrefix(e.lines.Text(), "data: ")
		}
	}
	e.t.Fatalf("no event %s: %v", name, e.lines.Err())
	return ""
}

// TestWhatIsNewIsTold: of this registry, and only when it is new.
func TestWhatIsNewIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := browse(t)
		seen, began := b.watch("health"), time.Now()
		if data := seen.next("here"); !strings.Contains(data, `"name":"attic"`) {
			t.Error(data)
		}
		time.AfterFunc(time.Minute, func() { b.named("barn") })
		data := seen.next("here")
		if took := time.Since(began); !strings.Contains(data, `"name":"barn"`) || took < time.Minute || took > time.Minute+2*streamTick {
			t.Errorf("after %s: %s", took, data)
		}
	})
}

// TestTransfersAreToldOnce: the last of those that are over at the start, and then each.
func TestTransfersAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := browse(t)
		b.over.Store(maxFinished + 7)
		seen := b.watch("transfers")
		data := seen.next("transfers")
		if n := strings.Count(data, `"number":`); n != maxFinished || !strings.Contains(data, fmt.Sprintf(`"number":%d,`, maxFinished+7)) {
			t.Errorf("%d at the start: %s", n, data)
		}
		time.AfterFunc(time.Minute, func() { b.over.Add(2) })
		for n := 0; n == 0; {
			data = seen.next("transfers")
			if n = strings.Count(data, `"number":`); n != 0 && (n != 2 || !strings.Contains(data, fmt.Sprintf(`"number":%d,`, maxFinished+9))) {
				t.Errorf("%d later: %s", n, data)
			}
		}
	})
}

// TestMembersAreAskedOnceForAll, and for nobody when nobody looks.
func TestMembersAreAskedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := browse(t)
		for range maxStreams {
			resp := b.open("/events?view=swarm")
			go func() { _, _ = io.Copy(io.Discard, resp.Body) }()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		n := b.asked.Load()
		if n < 20 || n > 31 { // it takes a second, and they are asked again a second later
			t.Errorf("asked %d times in a minute", n)
		}
		b.leave()
		time.Sleep(time.Minute)
		synctest.Wait()
		if more := b.asked.Load() - n; more > 1 {
			t.Errorf("asked %d times when all had left", more)
		}
	})
}

// TestWhoReadsNothingIsLeft, and keeps nobody from looking.
func TestWhoReadsNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := browse(t)
		for range maxStreams {
			b.ask("/events?view=swarm")
		}
		synctest.Wait()
		if resp := b.open("/events"); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("one too many: %s %v", resp.Status, resp.Header)
		}
		if resp := b.open("/app.js"); resp.StatusCode != http.StatusOK {
			t.Errorf("all else: %s", resp.Status)
		}
		time.Sleep(takeTime + time.Second)
		synctest.Wait()
		if n := len(b.front.streams); n > 0 {
			t.Errorf("%d are still told", n)
		}
		if resp := b.open("/events"); resp.StatusCode != http.StatusOK {
			t.Errorf("after they were left: %s", resp.Status)
		}
	})
}

// TestHeadTakesNoStream: it has nothing to take, so that nobody would notice that it takes nothing.
func TestHeadTakesNoStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := browse(t)
		began, w := time.Now(), httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/events?view=swarm", nil))
		if kind := w.Header().Get("Content-Type"); w.Code != http.StatusOK || kind != "text/event-stream" || time.Since(began) > 0 || b.asked.Load() > 0 {
			t.Errorf("%d, %s after %s, and members were asked %d times", w.Code, kind, time.Since(began), b.asked.Load())
		}
	})
}

// TestClientsKeepNoOperatorOut: however many look by another entrance.
func TestClientsKeepNoOperatorOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := browse(t)
		release := make(chan struct{})
		b.says.where = func(_ context.Context, of string) (driver.Where, error) {
			if of == "slow:1" {
				<-release
			}
			return driver.Where{}, nil
		}
		public := b.Behind(func(http.ResponseWriter, *http.Request) bool { return true })
		ask := func(h http.Handler, path string) int {
			ctx, cancel := context.WithCancel(t.Context())
			w := httptest.NewRecorder()
			time.AfterFunc(time.Second, cancel) // it has been admitted, or refused
			h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
			return w.Code
		}
		var clients sync.WaitGroup
		for range maxStreams {
			clients.Go(func() {
				public.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/events", nil))
			})
		}
		for range maxAsked {
			clients.Go(func() {
				public.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/data/where?of=slow:1", nil))
			})
		}
		synctest.Wait()
		for _, path := range []string{"/events", "/data/where?of=app:1"} {
			if code := ask(public, path); code != http.StatusServiceUnavailable {
				t.Errorf("one client too many at %s: %d", path, code)
			}
			if code := ask(b.Page, path); code != http.StatusOK {
				t.Errorf("the operator at %s: %d", path, code)
			}
		}
		close(release)
		b.Close()
		clients.Wait()
	})
}

// TestTheEndWaitsForNobody: neither for one who reads, nor for one who does not.
func TestTheEndWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := browse(t)
		b.ask("/events?view=swarm")
		b.ask("/app.js")
		resp := b.open("/events?view=swarm")
		go func() { _, _ = io.Copy(io.Discard, resp.Body) }()
		synctest.Wait()
		began := time.Now()
		b.Close()
		if took := time.Since(began); took > 0 {
			t.Errorf("after %s", took)
		}
		if resp := b.open("/"); resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("afterwards: %s", resp.Status)
		}
	})
}

// TestAStreamEnds, so that it is asked again whether its browser may look.
func TestAStreamEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := browse(t)
		began := time.Now()
		resp := b.open("/events")
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || time.Since(began) != streamTime {
			t.Errorf("%v, after %s", err, time.Since(began))
		}
	})
}

// TestTheNextRequestOfAConnection: it may take its time, as profiles do: no deadline of a page's answer
// is left.
func TestTheNextRequestOfAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := browse(t)
		conn := b.ask("/app.js")
		reader := bufio.NewReader(conn)
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		time.Sleep(2 * takeTime)
		if _, err := io.WriteString(conn, "GET /other HTTP/1.1\r\nHost: page\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if resp, err = http.ReadResponse(reader, nil); err != nil || resp.StatusCode != http.StatusAccepted {
			t.Errorf("%v, %v", resp, err)
		}
	})
}
