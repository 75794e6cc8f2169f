package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

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
	s, err := startSwarm(ctx, b.binary, fastest(), dir, r.from, r.to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	shop, err := startShop(dir, r.from, smallLayers, smallLayer)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shop.stop()) }()
	ours := pairOf(s, fmt.Sprintf("%s-%dms", ourName, roundTrip.Milliseconds()))
	for _, atOnce := range []int{3, 8} {
		layers := contender{ourName, func(ctx context.Context) (trial, error) {
			return b.coldPull(ctx, ours, way{layers: smallLayers, atOnce: atOnce}, smallLayer)
		}}
		trials, err := compete(ctx, pick(b, 3, 9), layers, manyFiles(shop, r.to, atOnce))
		if err != nil {
			return err
		}
		b.rows = append(b.rows, row{fmt.Sprintf("cold pull of %d layers of 1 MiB, %d at once, %d ms", smallLayers, atOnce, roundTrip.Milliseconds()),
			fmt.Sprintf("net/http over TLS, %d connections", atOnce), len(trials[ourName]), megabytes(trials[ourName]), megabytes(trials["files"]),
			ratios(trials[ourName], trials["files"]), atLeast(0.9), cpu(trials[ourName]), "-"})
	}
	return nil
}

// manyFiles gets all files and writes them, behind a few that warm the connections. None is
// synced: a client of B does not wait for that either.
func manyFiles(s *shop, to *lab.Space, atOnce int) contender {
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
