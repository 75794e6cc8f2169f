package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/fleet"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
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
	s, err := fleet.StartSwarm(ctx, b.binary, fleet.Fastest(), dir, r.from, r.to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	shop, err := fleet.StartShop(dir, r.from, smallLayers, smallLayer)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shop.Stop()) }()
	ours := pairOf(s, fmt.Sprintf("%s-%dms", ourName, roundTrip.Milliseconds()))
	for _, atOnce := range []int{3, 8} {
		layers := contender{ourName, func(ctx context.Context) (report.Trial, error) {
			return b.coldPull(ctx, ours, way{layers: smallLayers, atOnce: atOnce}, smallLayer)
		}}
		trials, err := compete(ctx, pick(b, 3, 9), layers, manyFiles(shop, r.to, atOnce))
		if err != nil {
			return err
		}
		b.Rows = append(b.Rows, report.Row{Measure: fmt.Sprintf("cold pull of %d layers of 1 MiB, %d at once, %d ms", smallLayers, atOnce, roundTrip.Milliseconds()),
			Against: fmt.Sprintf("net/http over TLS, %d connections", atOnce), Runs: len(trials[ourName]), Ours: report.Megabytes(trials[ourName]), Theirs: report.Megabytes(trials["files"]),
			Ratio: report.Ratios(trials[ourName], trials["files"]), Target: report.AtLeast(0.9), CPUOurs: report.CPU(trials[ourName])})
	}
	return nil
}

// manyFiles gets all files and writes them, after a few that warm the connections. None is
// synced: a client of B does not wait for that either.
func manyFiles(s *fleet.Shop, to *lab.Space, atOnce int) contender {
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, MaxConnsPerHost: atOnce, MaxIdleConnsPerHost: atOnce,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true},
		DialContext:     func(ctx context.Context, network, addr string) (net.Conn, error) { return to.Dial(ctx, network, addr) }}}
	return contender{"files", func(ctx context.Context) (report.Trial, error) {
		ctx, cancel := context.WithTimeout(ctx, fleet.MoveTimeout)
		defer cancel()
		defer client.CloseIdleConnections()
		if _, err := s.Get(ctx, client, s.Files[:imageLayers], atOnce); err != nil {
			return report.Trial{}, err
		}
		took, err := s.Get(ctx, client, s.Files, atOnce)
		return report.Trial{Count: float64(len(s.Files) * smallLayer), Took: took}, err
	}}
}
