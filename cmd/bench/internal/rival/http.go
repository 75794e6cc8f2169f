package rival

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

func serveHTTP(ctx context.Context, o options) (offering, error) {
	config, err := serverTLS()
	if err != nil {
		return offering{}, err
	}
	l, err := tls.Listen("tcp", o.listen, config)
	if err != nil {
		return offering{}, err
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, r.URL.Query().Get("file"))
		}),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: time.Minute,
	}
	go func() { _ = server.Serve(l) }() // until the process ends
	return offering{l.Addr().String(), itself}, nil
}

// fetchHTTP gets files by HTTP/1.1: Go's HTTP/2 is slower.
func fetchHTTP(_ context.Context, o options) (fetcher, error) {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: clientTLS(), DisableCompression: true}}
	note, err := cipher(o.from)
	return fetcher{note, func(ctx context.Context, name string, to *os.File) (int64, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+o.from+"/?file="+url.QueryEscape(name), nil)
		if err != nil {
			return 0, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("answers %s", resp.Status)
		}
		return io.Copy(to, resp.Body)
	}}, err
}
