package wire

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	avoidFirst = 2 * time.Second // for how long a data port is avoided when it has failed once
	avoidMost  = 2 * time.Minute // for how long at most, when it keeps failing
	maxAvoided = 4096            // data ports of which it is remembered that they failed
	readBuffer = 64 << 10        // bytes per connection; large reads bypass it
)

// transports are the two ways to a member: its data port, and streams when the data port cannot be
// reached.
type transports struct {
	swarm         Swarm
	data, streams *http.Transport
	patience      time.Duration // for dialing

	in atomic.Int64 // bytes of blobs received from data ports

	mu    sync.Mutex
	avoid map[peer.ID]*avoided
}

// avoided is a data port that failed; streams are used until it is tried again.
type avoided struct {
	backoff *backoff.ExponentialBackOff
	until   time.Time
}

// newTransports makes both ways.
func newTransports(alive context.Context, s Swarm, patience time.Duration, warm int) *transports {
	road := func(dial func(context.Context, peer.ID) (net.Conn, error)) *http.Transport {
		return &http.Transport{
			DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
				// http.Transport goes on dialing after the request has ended: bound that.
				ctx, cancel := context.WithTimeout(ctx, patience)
				defer cancel()
				defer context.AfterFunc(alive, cancel)()
				return dialHost(ctx, addr, dial)
			},
			DisableCompression:  true,
			MaxIdleConnsPerHost: warm,
			IdleConnTimeout:     time.Minute,
			ReadBufferSize:      readBuffer,

			MaxResponseHeaderBytes: 8 << 10,
		}
	}
	overStream := func(ctx context.Context, id peer.ID) (net.Conn, error) { return s.Dial(ctx, id, Protocol) }
	return &transports{swarm: s, data: road(s.DialData), streams: road(overStream), patience: patience, avoid: map[peer.ID]*avoided{}}
}

// dialHost dials the host of a URL. That is a peer ID, written as a CID because hosts are
// case-insensitive.
func dialHost(ctx context.Context, addr string, dial func(context.Context, peer.ID) (net.Conn, error)) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	id, err := peer.Decode(host)
	if err != nil {
		return nil, err
	}
	return dial(ctx, id)
}

// send sends a request to a member's data port. When the member has none, or it fails, the request
// goes over a stream.
func (r *transports) send(req *http.Request, id peer.ID) (*http.Response, error) {
	if r.usesData(id) {
		resp, err := r.byData(req, id)
		if err == nil {
			return resp, nil
		}
		over := req.Context().Err() != nil
		if !over || hung(req.Context()) {
			r.fell(id)
		}
		if over {
			return nil, err
		}
		if req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
	}
	return r.streams.RoundTrip(req)
}

// byData sends a request to a member's data port. When there is no connection within half of the
// patience, it gives up, so that the other half is left for a stream: a firewall may be dropping
// the packets to the port. Dialing goes on, for the next request.
func (r *transports) byData(req *http.Request, id peer.ID) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	late := time.AfterFunc(r.patience/2, func() { cancel(ErrSilent) })
	connected := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { late.Stop() }}
	resp, err := r.data.RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, connected)))
	if err != nil {
		late.Stop()
		cancel(nil)
		return nil, err
	}
	resp.Body = &carried{resp.Body, req.Context(), r, id, cancel, carriesBlob(resp)}
	return resp, nil
}

// Road is the way to a member.
type Road int

// These are the ways.
const (
	NoRoad Road = iota
	ByData
	ByStream
)

// RoadOf is the way by which a body of Client.Span comes.
func RoadOf(body io.Reader) Road {
	if _, ok := body.(*carried); ok {
		return ByData
	}
	return ByStream
}

func (r *transports) usesData(id peer.ID) bool {
	if !r.swarm.HasData(id) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.avoid[id]
	return a == nil || time.Now().After(a.until)
}

// fell notes that a member's data port failed. It is then avoided, longer each time.
func (r *transports) fell(id peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.avoid[id]
	if a == nil {
		b := backoff.NewExponentialBackOff()
		b.InitialInterval, b.MaxInterval = avoidFirst, avoidMost
		a = &avoided{backoff: b}
		r.forget(time.Now())
		r.avoid[id] = a
	}
	if time.Now().After(a.until) { // else this is one of several requests that broke at once
		a.until = time.Now().Add(a.backoff.NextBackOff())
	}
}

// forget makes room for one more data port: members come and go. The caller holds r.mu.
func (r *transports) forget(now time.Time) {
	if len(r.avoid) < maxAvoided {
		return
	}
	maps.DeleteFunc(r.avoid, func(_ peer.ID, a *avoided) bool { return now.After(a.until) })
	for id := range r.avoid {
		if len(r.avoid) < maxAvoided {
			return
		}
		delete(r.avoid, id)
	}
}

// held notes that a data port carried all that was requested: it is no longer avoided.
func (r *transports) held(id peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.avoid, id)
}

func (r *transports) close() {
	r.data.CloseIdleConnections()
	r.streams.CloseIdleConnections()
}

// carried is the body of an answer from a data port.
type carried struct {
	io.ReadCloser
	ctx        context.Context
	transports *transports
	id         peer.ID
	end        context.CancelCauseFunc // of the request
	blob       bool                    // its bytes are a blob's
}

// carriesBlob reports whether an answer carries bytes of a blob: a range, an inner block, or what
// is to become one.
func carriesBlob(resp *http.Response) bool {
	return resp.StatusCode == http.StatusPartialContent ||
		resp.StatusCode == http.StatusOK && (strings.HasPrefix(resp.Request.URL.Path, "/v1/blocks/") || strings.HasPrefix(resp.Request.URL.Path, uploadsPath))
}

// Close implements io.Closer.
func (c *carried) Close() error {
	defer c.end(nil)
	return c.ReadCloser.Close()
}

// Read implements io.Reader.
func (c *carried) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	if c.blob {
		c.transports.in.Add(int64(n))
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		c.transports.held(c.id)
	case c.ctx.Err() == nil || hung(c.ctx):
		c.transports.fell(c.id)
	}
	return n, err
}

// hung reports whether a request was given up because no answer came.
func hung(ctx context.Context) bool { return errors.Is(context.Cause(ctx), ErrSilent) }
