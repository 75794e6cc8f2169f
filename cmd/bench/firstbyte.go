package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/fleet"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
)

// firstByte measures how soon a client of B has the first byte of a blob that is
// on A, in round trips.
func (b *bench) firstByte(ctx context.Context) (err error) {
	const roundTrip = 20 * time.Millisecond
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	from, to, err := b.lab.Delayed(roundTrip)
	if err != nil {
		return err
	}
	s, err := fleet.StartSwarm(ctx, b.binary, fleet.Fastest(), dir, from, to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	size := pick[int64](b, 64<<20, 1<<30)
	byteOnB := contender{"first", func(ctx context.Context) (report.Trial, error) { return first(ctx, s[0], s[1], size) }}
	trip := contender{"trip", func(ctx context.Context) (report.Trial, error) {
		took, err := roundTrips(ctx, from, to)
		return report.Trial{Count: 1, Took: took}, err
	}}
	trials, err := compete(ctx, pick(b, 3, 5), byteOnB, trip)
	if err != nil {
		return err
	}
	took := func(t []report.Trial) string {
		return fmt.Sprintf("%.1f ms", report.Over(t, func(t report.Trial) float64 { return t.Took.Seconds() * 1000 }).Median)
	}
	b.Rows = append(b.Rows, report.Row{Measure: fmt.Sprintf("first byte on B, %s, warm connections", humanize.IBytes(uint64(size))), Against: "round trip, measured",
		Runs: len(trials["first"]), Ours: took(trials["first"]), Theirs: took(trials["trip"]), Ratio: report.Ratios(trials["trip"], trials["first"]), Target: report.AtMost(6)})
	return nil
}

// first times the first byte of a new blob's whole GET. A smaller blob goes before it, and
// all of the new blob is fetched in the end, so that the next run has the link to itself.
func first(ctx context.Context, a, b *fleet.Registry, size int64) (report.Trial, error) {
	warm, err := a.Stock(ctx, 16<<20)
	if err != nil {
		return report.Trial{}, err
	}
	g, err := a.Stock(ctx, size)
	if err != nil {
		return report.Trial{}, err
	}
	if _, err := b.Fetch(ctx, warm); err != nil {
		return report.Trial{}, err
	}
	began := time.Now()
	resp, err := b.Open(ctx, http.MethodGet, "/v2/bench/blobs/"+g.Digest, "")
	if err != nil {
		return report.Trial{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return report.Trial{}, fmt.Errorf("%s answers %s", b.Name, resp.Status)
	}
	if _, err := io.ReadFull(resp.Body, make([]byte, 1)); err != nil {
		return report.Trial{}, err
	}
	took := time.Since(began)
	_ = resp.Body.Close()
	_, err = b.Fetch(ctx, g)
	return report.Trial{Count: 1, Took: took}, err
}

// roundTrips is the median of some round trips on one TCP connection.
func roundTrips(ctx context.Context, from, to *lab.Space) (time.Duration, error) {
	l, err := from.Listen("tcp", from.Addr()+":0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	conn, err := to.Dial(ctx, "tcp", l.Addr().String())
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	echo, err := l.Accept()
	if err != nil {
		return 0, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(echo, echo) // until the connection is closed
	}()
	defer func() { _ = echo.Close(); <-done }()
	_ = conn.SetDeadline(time.Now().Add(fleet.Patience))
	var times []time.Duration
	for range 9 {
		took, err := lab.RoundTrip(conn)
		if err != nil {
			return 0, err
		}
		times = append(times, took)
	}
	return median(times), nil
}
