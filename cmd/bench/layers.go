package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/lab"
)

const (
	smallLayers = 40
	smallLayer  = 1 << 20
)

// layers compares a cold pull of an image of many small layers with net/http over TLS, from
// A's side straight to B's, on as many connections as layers are pulled at once.
func (b *bench) layers(ctx context.Context, roundTrip time.Duration) (err error) {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	r, err := b.route(roundTrip)
	if err != nil {
		return err
	}
	s, err := b.startSwarm(ctx, fastest(), dir, r.from, r.to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	shop, err := startShop(dir, r.from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shop.stop()) }()
	ours := s.pair(fmt.Sprintf("%s-%dms", ourName, roundTrip.Milliseconds()))
	for _, atOnce := range []int{3, 8} {
		layers := contender{ourName, func(ctx context.Context) (trial, error) {
			return b.coldPull(ctx, ours, way{layers: smallLayers, atOnce: atOnce}, smallLayer)
		}}
		trials, err := compete(ctx, pick(b, 3, 9), layers, shop.manyFiles(r.to, atOnce))
		if err != nil {
			return err
		}
		b.rows = append(b.rows, row{fmt.Sprintf("cold pull of %d layers of 1 MiB, %d at once, %d ms", smallLayers, atOnce, roundTrip.Milliseconds()),
			fmt.Sprintf("net/http over TLS, %d connections", atOnce), len(trials[ourName]), megabytes(trials[ourName]), megabytes(trials["files"]),
			ratios(trials[ourName], trials["files"]), atLeast(0.9), cpu(trials[ourName]), "-"})
	}
	return nil
}

// shop is the server of the rival http, with files of a small layer's size.
type shop struct {
	*side
	address string
	dir     string // the files are in it, and those that are fetched
	files   []string
}

func startShop(dir string, at *lab.Space) (*shop, error) {
	s := &shop{dir: filepath.Join(dir, "shop")}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, err
	}
	for i := range smallLayers {
		data, err := io.ReadAll(newSeed(smallLayer).reader())
		if err != nil {
			return nil, err
		}
		s.files = append(s.files, filepath.Join(s.dir, fmt.Sprint(i)))
		if err := os.WriteFile(s.files[i], data, 0o600); err != nil {
			return nil, err
		}
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s.side, s.address, err = startSide(at, "address", "serve", "http", "-listen", at.Addr()+":"+port)
	return s, err
}

// manyFiles gets all files and writes them, behind a few that warm the connections. None is
// synced: a client of B does not wait for that either.
func (s *shop) manyFiles(to *lab.Space, atOnce int) contender {
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, MaxConnsPerHost: atOnce, MaxIdleConnsPerHost: atOnce,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true},
		DialContext:     func(ctx context.Context, network, addr string) (net.Conn, error) { return to.Dial(ctx, network, addr) }}}
	return contender{"files", func(ctx context.Context) (trial, error) {
		ctx, cancel := context.WithTimeout(ctx, moveTimeout)
		defer cancel()
		defer client.CloseIdleConnections()
		if _, err := s.get(ctx, client, s.files[:imageLayers], atOnce); err != nil {
			return trial{}, err
		}
		took, err := s.get(ctx, client, s.files, atOnce)
		return trial{count: float64(len(s.files) * smallLayer), took: took}, err
	}}
}

func (s *shop) get(ctx context.Context, client *http.Client, files []string, atOnce int) (time.Duration, error) {
	out := filepath.Join(s.dir, "out")
	if err := errors.Join(os.RemoveAll(out), os.Mkdir(out, 0o700)); err != nil {
		return 0, err
	}
	began := time.Now()
	var all errgroup.Group
	all.SetLimit(atOnce)
	for _, file := range files {
		all.Go(func() error { return s.getOne(ctx, client, file, filepath.Join(out, filepath.Base(file))) })
	}
	err := all.Wait()
	return time.Since(began), err
}

func (s *shop) getOne(ctx context.Context, client *http.Client, file, to string) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+s.address+"/?file="+url.QueryEscape(file), nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := io.Copy(f, resp.Body)
	if err == nil && (n != smallLayer || resp.StatusCode != http.StatusOK) {
		err = fmt.Errorf("get %s: %s, %d bytes", file, resp.Status, n)
	}
	return err
}
