package attacker

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/gostream"
)

const blobsProtocol protocol.ID = "/distribution-ipfs/blobs/1.0.0"

// Holder answers requests for blobs. What it is asked it counts: Tried are all requests, Did are
// questions whether it holds a blob, which it always says, and Now are requests that wait for it.
type Holder func(t *Tally) http.Handler

// Mute says that it has every blob, and never answers more than that.
func Mute(t *Tally) http.Handler {
	return holder(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

// Drip sends a byte a second of what it is asked for.
func Drip(t *Tally) http.Handler {
	return holder(t, func(w http.ResponseWriter, r *http.Request) {
		from, to := spanOf(r)
		head(w, from, to)
		for range to - from {
			if _, err := w.Write([]byte{0}); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush() // the next write fails
			rest(r.Context(), time.Second)
		}
	})
}

// Lie sends bytes that are not the blob's, and says that it has kept all that it is to keep.
func Lie(t *Tally) http.Handler {
	return holder(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		from, to := spanOf(r)
		head(w, from, to)
		b := make([]byte, 32<<10)
		for left := to - from; left > 0; left -= int64(len(b)) {
			b = b[:min(left, int64(len(b)))]
			_, _ = rand.Read(b) // it never fails
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	})
}

// Partly says that it has some leaves of every blob, names all leaves that there could be, and
// never sends any.
func Partly(t *Tally) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.tried.Add(1)
		switch {
		case r.Method == http.MethodHead:
			t.did.Add(1)
			w.Header().Set("Blob-Partial", "true")
			w.WriteHeader(http.StatusNotFound)
		case strings.HasSuffix(r.URL.Path, "/have"):
			b := bytes.Repeat([]byte{0xff}, 64<<10)
			for range 1 << 10 {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		default:
			defer t.add()()
			<-r.Context().Done()
		}
	})
}

// holder says that it has each blob, and answers all else with rest.
func holder(t *Tally, rest http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.tried.Add(1)
		if r.Method == http.MethodHead {
			t.did.Add(1)
			w.WriteHeader(http.StatusOK)
			return
		}
		defer t.add()()
		rest(w, r)
	})
}

// spanOf is the range that is asked for, [from, to), or some bytes when none is.
func spanOf(r *http.Request) (from, to int64) {
	if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); n == 2 {
		return from, to + 1
	}
	return 0, 1 << 10
}

func head(w http.ResponseWriter, from, to int64) {
	w.Header().Set("Content-Length", fmt.Sprint(to-from))
	status := http.StatusOK
	if to != 1<<10 || from != 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/*", from, to-1))
		status = http.StatusPartialContent
	}
	w.WriteHeader(status)
}

// Holders makes it answer for blobs like that, over streams and at a data port, which it tells
// those whom it greets.
func (p *Peer) Holders(how Holder) (*Tally, error) {
	if p.host == nil {
		return nil, ErrStranger
	}
	t := &Tally{}
	s := &http.Server{
		Handler: how(t), ReadHeaderTimeout: time.Hour, ErrorLog: log.New(io.Discard, "", 0),
		BaseContext: func(net.Listener) context.Context { return p.ctx },
	}
	streams, err := gostream.Listen(p.host, blobsProtocol)
	if err != nil {
		return nil, fmt.Errorf("answer for blobs: %w", err)
	}
	port, err := p.dataPort()
	if err != nil {
		return nil, fmt.Errorf("answer for blobs: %w", err)
	}
	p.servers = append(p.servers, s)
	for _, l := range []net.Listener{streams, port} {
		p.wg.Go(func() { _ = s.Serve(l) })
	}
	host, tcp, _ := strings.Cut(port.Addr().String(), ":")
	p.data = []string{fmt.Sprintf("/ip4/%s/tcp/%s", host, tcp)}
	return t, nil
}
